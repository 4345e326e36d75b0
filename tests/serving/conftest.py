import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sklearn.naive_bayes import GaussianNB

from serving import store
from tests.models import fit, write_model
from tests.servers import Server, serving


@pytest.fixture(scope="session")
def estimator() -> GaussianNB:
    """What the stored model was made of."""
    return fit()


@pytest.fixture(scope="session")
def tag(estimator: GaussianNB, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tag of a model in the store that the tests use."""
    folder = tmp_path_factory.mktemp("model")
    write_model(folder, estimator)
    return store.save(folder, {"made_for": "tests"})


@pytest.fixture(scope="session")
def home(tag: str) -> Path:
    """The BENTOML_HOME whose store holds the model."""
    return Path(os.environ["BENTOML_HOME"])


@pytest.fixture(scope="session")
def server(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with two workers and settings small enough to run into."""
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(home, log, {"WORKERS": "2", "MAX_BODY_BYTES": "1000000"}) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30) as client:
        yield client
