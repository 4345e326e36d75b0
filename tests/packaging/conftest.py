import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.models import fit, write_model
from tests.packaging.bentos import bentoml
from tests.processes import fresh_terminal
from tests.servers import ROOT
from tests.tools import require_tool

_SAVE = "import pathlib, sys; from serving import store; print(store.save(pathlib.Path(sys.argv[1]), {}))"


def home_with(seed: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a BENTOML_HOME whose store holds one model, another one for each seed."""
    home = tmp_path_factory.mktemp("home")
    files = tmp_path_factory.mktemp("model")
    write_model(files, fit(seed))
    # In a process of its own: BentoML takes its home at import, and in this one that is another.
    subprocess.run(
        [sys.executable, "-c", _SAVE, files], cwd=ROOT, env=fresh_terminal(BENTOML_HOME=str(home)), check=True
    )
    return home


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BENTOML_HOME of its own, since building fills it, whose store holds one model."""
    return home_with(0, tmp_path_factory)


@pytest.fixture(scope="session")
def model(home: Path) -> str:
    """The tag of the model."""
    version = (home / "models" / "gender_classifier" / "latest").read_text()
    return f"gender_classifier:{version}"


@pytest.fixture(scope="session")
def bento(home: Path) -> Path:
    """The folder of a built Bento."""
    tag = bentoml(home, "build", "--output", "tag").strip().removeprefix("__tag__:")
    return home / "bentos" / tag.replace(":", "/")


@pytest.fixture(scope="session")
def engine() -> str:
    """The container engine that `make image` finds."""
    if shutil.which("docker") and not subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        return "docker"
    return require_tool("podman", "apt install podman")


@pytest.fixture(scope="session")
def image(engine: str, home: Path) -> Iterator[str]:
    """The name of an image that `make image` built."""
    with made_image(engine, home, "page") as name:
        yield name


@pytest.fixture(scope="session")
def image_without_ui(engine: str, home: Path) -> Iterator[str]:
    """The name of an image that `make image UI=off` built."""
    with made_image(engine, home, "without", "off") as name:
        yield name


@contextmanager
def made_image(engine: str, home: Path, label: str, ui: str = "on") -> Iterator[str]:
    """Let `make image` build what a BENTOML_HOME has; yields the image's name."""
    name = f"gender_classifier:test-{os.getpid()}-{label}"
    made = subprocess.run(
        ["make", "image", f"IMAGE={name}", f"UI={ui}"],
        cwd=ROOT,
        env=fresh_terminal(BENTOML_HOME=str(home)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert f"Built {name}" in made.stdout
    yield name
    subprocess.run([engine, "rmi", "--force", name, f"{name}-bento"], capture_output=True, check=True)
