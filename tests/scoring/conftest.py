"""A model to score with, files to score, and ways to run the command."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from serving import store
from serving.schema import FEATURES, Flag
from serving.store import StoredModel
from tests.models import fit, plausible_rows, write_model
from tests.servers import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def tag(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tag of a model in the tests' store."""
    folder = tmp_path_factory.mktemp("scoring-model")
    write_model(folder, fit())
    return store.save(folder, {"made_for": "tests"})


@pytest.fixture(scope="session")
def stored(tag: str) -> StoredModel:
    return store.load(tag)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(tag: str) -> Run:
    """Return a function that runs `python -m scoring` as a user does; its exit code must be `code`."""

    def run(*arguments: object, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "scoring", *map(str, arguments), "--model", tag]
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    return run


def table(n: int, seed: int = 0) -> pa.Table:
    """Return n plausible rows with an id: flags as integers, numbers as floats."""
    rows = plausible_rows(n, seed)
    columns = {
        f.name: rows[:, j].astype(np.int64) if isinstance(f, Flag) else rows[:, j] for j, f in enumerate(FEATURES)
    }
    return pa.table({"id": np.arange(n), **columns})
