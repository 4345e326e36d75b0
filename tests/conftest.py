"""What every test may use, and what keeps tests off the machine's own stores."""

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.sharing import TOGETHER, group

# How long one example takes says how busy the machine is.
hypothesis.settings.register_profile("here", deadline=None)
hypothesis.settings.load_profile("here")

# BentoML reads BENTOML_HOME when it is imported, and conftest.py comes before every such import.
_HOME = tempfile.mkdtemp(prefix="bentoml-home-")
os.environ["BENTOML_HOME"] = _HOME


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest, so that all processes end at one time."""
    first = (*TOGETHER, "tests/training/")
    items.sort(key=lambda item: [not item.nodeid.startswith(folder) for folder in first])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Deal out the tests by `group`. xdist's own groups do not work with pytest 9.2, which has no `Item._nodeid`."""

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return ByGroup(config, log)


@pytest.fixture(scope="session")
def gender_csv() -> Path:
    """Return the path of the real data, which is not ours to ship."""
    path = os.environ.get("GENDER_CSV")
    if not path:
        pytest.skip("GENDER_CSV is not set: it names a file of real data, which the project does not ship")
    return Path(path)
