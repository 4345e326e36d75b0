"""What keeps the service from starting: one sentence, a non-zero exit code, nothing left running."""

import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from sklearn.naive_bayes import GaussianNB

from tests.models import write_model
from tests.servers import ROOT, bentoml_serve, free_port

pytestmark = pytest.mark.slow
SECONDS = 90


def refusal(home: Path, settings: Mapping[str, str], port: int | None = None) -> str:
    """Return the one line that the server says before it exits with code 1."""
    command, environment = bentoml_serve(home, port or free_port(), settings)
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert ended.returncode == 1, ended.stderr
    lines = [line for line in (ended.stdout + ended.stderr).splitlines() if "[INFO]" not in line]
    assert len(lines) == 1, lines
    return lines[0]


def test_without_a_model(tmp_path: Path) -> None:
    assert "make train" in refusal(tmp_path, {})


def test_with_a_tag_that_is_not_in_the_store(home: Path) -> None:
    assert "gender_classifier:nope" in refusal(home, {"MODEL_TAG": "gender_classifier:nope"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("WORKERS", "many"), ("MAX_BODY_BYTES", "-1"), ("ACCESS_LOG", "maybe"), ("MAX_CONCURRENCY", "0")],
)
def test_with_a_setting_that_cannot_be_used(home: Path, name: str, value: str) -> None:
    line = refusal(home, {name: value})
    assert line.startswith(f"error: {name} is '{value}'")


@pytest.mark.parametrize(
    ("url", "words"),
    [("sqlite:////proc/no/log.db", "/proc/no cannot be made"), ("mysql://me:secret@host/db", "me:***@host")],
)
def test_with_a_prediction_log_that_can_never_be_written(home: Path, url: str, words: str) -> None:
    line = refusal(home, {"PREDICTION_LOG_URL": url})
    assert line.startswith("error: PREDICTION_LOG_URL")
    assert words in line


def test_on_a_port_in_use(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in refusal(home, {}, port)


SPOIL: dict[str, Callable[[Path], object]] = {
    "tampered": lambda model: (model / "parameters.npz").write_bytes(b"x"),
    "truncated": lambda model: (model / "reference.json").write_bytes(b""),
    "missing a file": lambda model: (model / "estimator.skops").unlink(),
    "foreign": lambda model: (model / "manifest.json").unlink(),
    "without model.yaml": lambda model: (model / "model.yaml").unlink(),
    "with a damaged model.yaml": lambda model: (model / "model.yaml").write_text("{"),
}


@pytest.mark.parametrize("how", SPOIL)
def test_with_a_model_that_is(how: str, estimator: GaussianNB, tmp_path: Path) -> None:
    model = other_store(tmp_path, estimator)
    SPOIL[how](model)
    assert model.name in refusal(tmp_path / "home", {"MODEL_TAG": f"gender_classifier:{model.name}"})


def other_store(folder: Path, estimator: GaussianNB) -> Path:
    """Make a store of its own with one model; return the model's folder."""
    write_model(folder / "model", estimator)
    command, environment = bentoml_serve(folder / "home", 0, {})
    code = "import sys; from pathlib import Path; from serving.store import load, save; "
    code += "print(load(save(Path(sys.argv[1]), {})).path)"
    made = subprocess.run(
        [command[0], "-c", code, str(folder / "model")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(made.stdout.strip())
