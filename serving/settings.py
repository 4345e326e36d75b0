"""Every environment variable the service reads, checked once, when it starts."""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)


class SettingsError(Exception):
    """A setting cannot be used. The message is one sentence that names the variable."""


def _no_password() -> str:
    # Without it a key with a password would stop the start to ask for one.
    raise ValueError("the key needs a password; expected one without")


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
    model_poll_seconds: float = Field(
        5, ge=0, le=86400, description="seconds between two looks for a newer model; 0 is never; a full tag is kept"
    )
    workers: int = Field(1, ge=1, le=64, description="worker processes")
    api_keys: Words = Field((), description="keys that may call, separated by spaces or commas; empty is open")
    cors_origins: Words = Field((), description="origins whose pages may call, separated likewise; `*` is any")
    max_body_bytes: int = Field(4 * 2**20, ge=1024, description="largest request body")
    max_concurrency: int = Field(256, ge=1, description="requests at once in each worker; more get 429")
    grpc_port: int = Field(3001, ge=0, le=65535, description="port for gRPC; 0 is off")
    shutdown_delay_seconds: float = Field(
        0, ge=0, le=3600, description="seconds after SIGTERM in which `/readyz` says no and requests are still served"
    )
    shutdown_timeout_seconds: float = Field(30, ge=0, le=3600, description="seconds that requests then have to finish")
    tls_cert: str = Field(
        "", description="PEM file of the certificate and its chain, for HTTP and gRPC; empty is plain"
    )
    tls_key: str = Field("", description="PEM file of the certificate's key")
    prediction_log_url: str | None = Field(
        None, description="database of the prediction log; empty is off. Not set: SQLite in var/, in a built Bento off"
    )
    prediction_log_sample: float = Field(1, gt=0, le=1, description="share of the predictions that are logged")
    prediction_log_days: float = Field(30, gt=0, description="days after which predictions and feedback are deleted")
    monitor_folder: Path = Field(Path("var/reports"), description="where the monitor keeps its reports, for the page")
    ui: Switch = Field("on", description="the page at /ui")
    access_log: Switch = Field("off", description="one line for each request")
    tracing: str = Field("", description="OTLP address, as http://host:4318, that gets a span of each request")

    @field_validator("tracing")
    @classmethod
    def _check_tracing(cls, value: str) -> str:
        if value == "off":
            return ""
        address = urlsplit(value)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError("expected off or an address that begins with http:// or https://")
        # As OpenTelemetry's own variable has it.
        return value if address.path.strip("/") else f"{value.rstrip('/')}/v1/traces"

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise SettingsError("TLS needs both TLS_CERT and TLS_KEY, and one of them is empty")
        if self.tls_cert:
            try:
                ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
                    self.tls_cert, self.tls_key, password=_no_password
                )
            except (OSError, ValueError) as error:
                raise SettingsError(
                    f"TLS_CERT={self.tls_cert} and TLS_KEY={self.tls_key} are no certificate and its key: {error}"
                ) from error
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SettingsError: a value is not what its variable expects.
        """
        # An empty variable is an unset one: compose files and manifests write `NAME=` for "the default".
        given = {name: value for name in cls.model_fields if (value := environment.get(name.upper(), "").strip())}
        # Except here, where there is a default to turn off.
        if "PREDICTION_LOG_URL" in environment:
            given.setdefault("prediction_log_url", "")
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            about = cls.model_fields[name].description
            message = f"{name.upper()} is {given[name]!r} ({about}): {first['msg'].lower()}"
            raise SettingsError(message) from error
