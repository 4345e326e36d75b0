"""Every environment variable the service reads, checked once, when it starts."""

import os
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError


class SettingsError(Exception):
    """A setting cannot be used. The message is one sentence that names the variable."""


def _words(value: object) -> object:
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Words = Annotated[tuple[str, ...], BeforeValidator(_words)]
Switch = Literal["on", "off"]


class Settings(BaseModel):
    """Each field is the environment variable of the same name in capitals; the description is the README's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_tag: str = Field(
        "", description="model to serve; empty is the store's latest, in a built Bento the baked one"
    )
    workers: int = Field(1, ge=1, le=64, description="worker processes")
    api_keys: Words = Field((), description="keys that may call, separated by spaces or commas; empty is open")
    cors_origins: Words = Field((), description="origins whose pages may call, separated likewise; `*` is any")
    max_body_bytes: int = Field(4 * 2**20, ge=1024, description="largest request body")
    max_concurrency: int = Field(256, ge=1, description="requests at once in each worker; more get 429")
    access_log: Switch = Field("off", description="one line for each request")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SettingsError: a value is not what its variable expects.
        """
        # An empty variable is an unset one: compose files and manifests write `NAME=` for "the default".
        given = {name: value for name in cls.model_fields if (value := environment.get(name.upper(), "").strip())}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            about = cls.model_fields[name].description
            message = f"{name.upper()} is {given[name]!r} ({about}): {first['msg'].lower()}"
            raise SettingsError(message) from error
