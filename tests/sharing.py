"""What takes long to make is made once, also where pytest-xdist runs the tests in several processes."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest

# A file's tests are for one process, and all of such a folder, which share what they build.
TOGETHER = ("tests/packaging/",)


def group(test: str) -> str:
    """Return a name of the tests that the same process runs."""
    return next((folder for folder in TOGETHER if test.startswith(folder)), test.partition("::")[0])


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return a folder that is there for all processes, made by whoever asks first. Do not change what is in it."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder, made = base / f"once-{name}", base / f"once-{name}.made"
    with (base / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder.mkdir()
            make(folder)
            made.touch()
    return folder
