"""What every test may use, and what keeps tests off the machine's own stores."""

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

from tests.sharing import TOGETHER, group

# How long one example takes says how busy the machine is.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("here")

# BentoML reads BENTOML_HOME when it is imported, and conftest.py comes before every such import.
_HOME = tempfile.mkdtemp(prefix="bentoml-home-")
os.environ["BENTOML_HOME"] = _HOME


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


# First, since pytest-xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests stay together, and begin with those that take longest, so that all processes end at one time."""
    order = (*TOGETHER, "tests/training/")
    items.sort(
        key=lambda item: next((i for i, folder in enumerate(order) if item.nodeid.startswith(folder)), len(order))
    )
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item.nodeid)))


@pytest.fixture(scope="session")
def gender_csv() -> Path:
    """Return the path of the real data, which is not ours to ship."""
    path = os.environ.get("GENDER_CSV")
    if not path:
        pytest.skip("GENDER_CSV is not set: it names a file of real data, which the project does not ship")
    return Path(path)
