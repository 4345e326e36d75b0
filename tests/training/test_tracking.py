"""A remote tracking server that is there, that goes away between two stages, and that never was there."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from serving.schema import MODEL_NAME
from tests.processes import started, stop
from tests.servers import free_port
from tests.training.conftest import Project
from tests.training.test_promote import tags
from training import tracking

pytestmark = pytest.mark.slow

DEAD = "http://127.0.0.1:9"
WITH_LOGIN = "http://someone:secret@127.0.0.1:9"


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[None]:
    """Run a real server on a database in a folder, which it finds again when it comes back."""
    cheap = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with started(command, folder, cheap, folder / "log") as process:
        end = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < end:
            with suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/health").raise_for_status()
                break
            time.sleep(0.2)
        else:
            raise AssertionError((folder / "log").read_text())
        yield
        stop(process, signal.SIGTERM)


def run_of(project: Project) -> dict[str, str]:
    return dict(json.loads((project.root / tracking.RUN).read_text()))


def test_a_server_that_goes_away_and_comes_back(project: Project, tmp_path: Path) -> None:
    port = free_port()
    project = replace(project, variables={"MLFLOW_TRACKING_URI": f"http://someone:secret@127.0.0.1:{port}"})
    project.python("-m", "training.prepare")
    with mlflow_server(tmp_path, port):
        project.python("-m", "training.train")
    assert run_of(project)["tracking_uri"] == f"http://127.0.0.1:{port}"
    for stage, lost in (("evaluate", "evaluation, which is in reports"), ("promote", "verdict, which is in reports")):
        said = project.python("-m", f"training.{stage}").stderr
        assert f"not recorded: {lost}" in said
        assert "secret" not in said
        assert "Traceback" not in said
    assert not (project.root / tracking.DATABASE).exists()
    assert "secret" not in (project.model() / "card.md").read_text()

    # Back again: the stages that lost something record it.
    with mlflow_server(tmp_path, port):
        assert "not recorded" not in project.python("-m", "training.evaluate").stderr
        assert "not recorded" not in project.python("-m", "training.promote").stderr
        agrees, versions, last = tags(project)
        assert agrees
        assert versions["champion"] == run_of(project)["run_id"]
        assert last.startswith("passed")
        assert "verdict.json" in last
        assert "figures" in last


def test_a_server_that_is_not_there_stops_nothing(project: Project) -> None:
    away = replace(project, variables={"MLFLOW_TRACKING_URI": WITH_LOGIN})
    began = time.monotonic()
    said = away.python("-m", "training").stderr
    assert time.monotonic() - began < 300
    assert "there is no champion to compare with" in said
    assert f"not recorded at {DEAD}, which cannot be used" in said
    assert "secret" not in said
    assert f"the sweep goes to {tracking.DATABASE} instead" in said
    assert f"not recorded: alias champion of {MODEL_NAME} for MLflow run {run_of(project)['run_id']} at {DEAD}" in said
    assert "Traceback" not in said
    # All of it is where `make mlflow` looks.
    assert run_of(project)["tracking_uri"] == tracking.LOCAL
    agrees, versions, last = tags(project)
    assert agrees
    assert set(versions.values()) == {run_of(project)["run_id"]}
    assert "verdict.json" in last


def test_no_password_in_what_is_said() -> None:
    assert tracking.public(WITH_LOGIN) == DEAD
    assert tracking.public("sqlite:////tmp/mlflow.db") == "sqlite:////tmp/mlflow.db"
    assert "secret" not in tracking.short(OSError(f"API request to {WITH_LOGIN}/api failed"))


def test_a_run_that_was_deleted_is_an_error(project: Project) -> None:
    project.python("-m", "training.prepare")
    project.python("-m", "training.train")
    (project.root / tracking.DATABASE).unlink()
    said = project.python("-m", "training.evaluate", code=1).stderr
    assert "error: mlflow.db has no MLflow run" in said
    assert "Run `dvc repro --force train`" in said
    assert "Traceback" not in said
