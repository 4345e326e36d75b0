"""The compose file: accepted by its schema, every image pinned, every file that it mounts is there."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers import ROOT

FILE = ROOT / "deploy" / "compose" / "compose.yaml"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
    return found


def test_is_valid() -> None:
    checker = Path(sys.executable).parent / "check-jsonschema"
    subprocess.run([checker, "--builtin-schema", "vendor.compose-spec", FILE], check=True)


def test_runs_the_service_beside_everything_that_watches_it(services: dict[str, Any]) -> None:
    assert set(services) >= {"service", "monitor", "prometheus", "alertmanager", "grafana", "mlflow", "postgres"}


def test_every_image_is_pinned_and_watched(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert ":" in service["image"], name
        assert "build" in service or name == "service" or not service["image"].endswith("latest"), name
        # The service's image brings its own.
        assert name in ("service", "alertmanager-config") or service["healthcheck"], name


def test_what_is_mounted_and_built_is_there(services: dict[str, Any]) -> None:
    mounted = [volume.split(":")[0] for service in services.values() for volume in service.get("volumes", [])]
    files = [path for path in mounted if path.startswith(".")]
    assert files
    for path in files:
        assert (FILE.parent / path).exists(), path
    for service in services.values():
        if "build" in service:
            context = FILE.parent / service["build"]["context"]
            assert context.resolve() == ROOT
            assert (context / service["build"]["dockerfile"]).is_file()
