"""A copy of the project under git, with its own stores, in which the pipeline can run."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from serving.schema import CLASSES, MODEL_NAME, TARGET
from tests.sharing import made_once
from training.builtin import synthesize

ROOT = Path(__file__).parents[2]
PIPELINE = ("serving", "training", "dvc.yaml", "params.yaml")
HIDDEN = (".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore")
# what `make serve` needs beside it
SERVED = ("service.py", "Makefile", "requirements", "pyproject.toml", "README.md", "README.id.md", "docs")
PARTS = (*PIPELINE, *HIDDEN, *SERVED)


@dataclass(frozen=True)
class Project:
    """A copy of the project.

    Args:
        measured: whether coverage is taken of what runs in it, for half as much time again. Copies of a copy mostly run
            the same once more, and go without.
    """

    root: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    measured: bool = True

    @property
    def home(self) -> Path:
        return self.root.with_name(f"{self.root.name}-bentoml")

    @property
    def environment(self) -> dict[str, str]:
        # The stores must not be the machine's. Coverage of programs that tests start is configured by a variable.
        dropped = {"MLFLOW_TRACKING_URI", *([] if self.measured else ["COVERAGE_PROCESS_CONFIG"])}
        kept = {k: v for k, v in os.environ.items() if k not in dropped}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**kept, "PATH": path, "BENTOML_HOME": str(self.home), **self.variables}

    def run(self, *command: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a program in the root; its exit code must be `code`, if one is given."""
        done = subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    def python(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, *arguments, code=code)

    def commit(self, message: str) -> None:
        self.run("git", "add", "--all")
        who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        self.run("git", *who, "commit", "--quiet", "--no-verify", "--message", message)

    def model(self, version: str = "") -> Path:
        """Return the folder of a stored model, or of the latest."""
        models = self.home / "models" / MODEL_NAME
        return models / (version or (models / "latest").read_text())

    def changed(self) -> str:
        return self.run("git", "status", "--porcelain").stdout


def copy(to: Path) -> Project:
    for part in PARTS:
        source, target = ROOT / part, to / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(source, target)
    _shorten_sweep(to / "params.yaml")
    project = Project(to)
    project.run("git", "init", "--quiet")
    (to / ".git/info/exclude").write_text("/.venv\n")
    # The environment is this one, so that `make` has nothing to install.
    (to / ".venv").symlink_to(Path(sys.executable).parents[1])
    project.commit("start")
    return project


def _shorten_sweep(params: Path) -> None:
    """Leave every other value out of the sweep, which is most of a run's time, the one that wins not."""
    lines = params.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.lstrip().startswith("var_smoothing:"))
    head, values, tail = re.split(r"[\[\]]", lines[at], maxsplit=2)
    lines[at] = f"{head}[{', '.join(values.split(', ')[1::2])}]{tail}"
    params.write_text("".join(lines))


def clone(of: Project, to: Path) -> Project:
    """Clone as a colleague does, who has neither models nor a cache."""
    of.run("git", "clone", "--quiet", str(of.root), str(to))
    (to / ".git/info/exclude").write_text("/.venv\n")
    (to / ".venv").symlink_to(Path(sys.executable).parents[1])
    return Project(to, measured=False)


def duplicate(of: Project, to: Path) -> Project:
    """Copy a project with everything that it has made: models, runs, cache."""
    shutil.copytree(of.root, to, symlinks=True)
    shutil.copytree(of.home, Project(to).home)
    return Project(to, measured=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a fresh copy, in which nothing has run."""
    return copy(tmp_path / "project")


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy in which `dvc repro` has run once. Do not change it."""

    def make(folder: Path) -> None:
        copy(folder / "project").run("dvc", "repro")

    # DVC lets one process at a time into a project, so each process of the tests has its own.
    original = Project(made_once(tmp_path_factory, "reproduced", make) / "project")
    return duplicate(original, tmp_path_factory.mktemp("reproduced") / "project")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy in which `make train DATA=...` has run once, on 600 rows with 0/1 labels."""
    folder = tmp_path_factory.mktemp("trained")
    project, own = copy(folder / "project"), folder / "own rows.csv"
    frame = synthesize(600, seed=99)
    frame.assign(**{CLASSES[-1]: (frame.pop(TARGET) == CLASSES[-1]).astype(int)}).to_csv(own, index=False)
    project.python("-m", "training", "--data", str(own))
    return project
