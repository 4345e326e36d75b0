"""`make serve` in a fresh clone, as its user meets it."""

from pathlib import Path

import httpx
import pytest

from serving.schema import Row
from tests.clones import copy_of_work
from tests.processes import fresh_terminal, started, stop
from tests.servers import Server, free_port, wait_ready

pytestmark = pytest.mark.slow

ROW = Row.model_json_schema()["examples"][0]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_of_work(tmp_path_factory.mktemp("clone"))


def serve_once(clone: Path, home: Path, log: Path) -> str:
    """Run `make serve` until it answers, press Ctrl-C, and return the tag of the model that answered."""
    port = free_port()
    with started(
        ["make", "serve", f"PORT={port}"],
        clone,
        fresh_terminal(BENTOML_HOME=str(home), GRPC_PORT=str(free_port())),
        log,
    ) as process:
        server = Server(f"http://localhost:{port}", process, log)
        wait_ready(server, seconds=300)
        [prediction] = httpx.post(f"{server.url}/predict", json={"rows": [ROW]}).raise_for_status().json()
        assert stop(process) == []
    return str(prediction["model"])


def test_serves_from_nothing_and_again(clone: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    model = serve_once(clone, tmp_path / "home", first)
    said = first.read_text()
    assert "/metrics" in said
    assert "API docs" in said
    assert "error:" not in said.lower()
    assert "make: " not in said
    assert serve_once(clone, tmp_path / "home", second) == model
    assert "installing" not in second.read_text()
