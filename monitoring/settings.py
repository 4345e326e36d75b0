"""Every environment variable the monitor reads, checked once, when it starts."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.log_url import DEFAULT_URL


class MonitorError(Exception):
    """The monitor cannot go on for a reason its user can mend. The message is one sentence."""


class Settings(BaseModel):
    """Each field is the environment variable of the same name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prediction_log_url: str = Field(DEFAULT_URL, description="the database that the service logs to")
    model_tag: str = Field("gender_classifier:latest", description="the model whose training rows are the reference")
    monitor_host: str = Field("127.0.0.1", description="address of the monitor's pages and metrics")
    monitor_port: int = Field(9102, ge=1, le=65535, description="port of the monitor's pages and metrics")
    monitor_interval_seconds: float = Field(60, gt=0, le=86400, description="time between two looks at the log")
    monitor_report_seconds: float = Field(3600, gt=0, description="time between two reports, and the time they cover")
    monitor_keep: int = Field(24, ge=1, description="reports that are kept")
    monitor_folder: Path = Field(Path("var/reports"), description="where reports go")
    monitor_dataset: Path = Field(
        Path("data/dataset.csv"), description="training rows, the reference if they are there"
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings; an empty variable is an unset one.

        Raises:
            MonitorError: a value is not what its variable expects.
        """
        given = {name: value for name in cls.model_fields if (value := environment.get(name.upper(), "").strip())}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            about = cls.model_fields[name].description
            raise MonitorError(f"{name.upper()} is {given[name]!r} ({about}): {first['msg'].lower()}") from error
