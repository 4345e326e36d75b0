"""A promotion, a refusal and a rollback under a running service: it, the store and MLflow's aliases say the same."""

import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from serving.schema import MODEL_NAME, TARGET, Row
from tests.servers import serving
from tests.training.conftest import Project, duplicate
from tests.training.test_promote import served, tags
from training.builtin import synthesize

pytestmark = pytest.mark.slow

ROW = Row.model_json_schema()["examples"][0]
POLL_SECONDS = 1
# of a busy machine
PATIENCE_SECONDS = 10


def test_service_store_and_aliases_agree(reproduced: Project, tmp_path: Path) -> None:
    project = duplicate(reproduced, tmp_path / "project")
    frame = synthesize(1000, seed=5)
    bad = tmp_path / "bad.csv"
    frame.assign(**{TARGET: np.random.default_rng(0).permutation(frame[TARGET])}).to_csv(bad, index=False)
    first = served(project)[0]
    settings = {"MODEL_POLL_SECONDS": str(POLL_SECONDS)}
    with serving(project.home, tmp_path / "log", settings, folder=project.root) as server:

        def agree() -> str:
            """Wait the poll time for the service to answer with the store's latest, and check the alias."""
            latest, end = served(project)[0], time.monotonic() + POLL_SECONDS + PATIENCE_SECONDS
            while httpx.post(f"{server.url}/predict_one", json=ROW).json()["model"] != f"{MODEL_NAME}:{latest}":
                assert time.monotonic() < end, server.log.read_text()
                time.sleep(0.1)
            assert tags(project)[0], "champion is not what the store serves"
            return latest

        assert agree() == first
        project.python("-m", "training", "--data", str(bad), code=1)
        assert agree() == first
        params = project.root / "params.yaml"
        params.write_text(params.read_text().replace("seed: 7  ", "seed: 8  ", 1))
        project.python("-m", "training")
        second = agree()
        assert second != first
        project.python("-m", "training.rollback")
        assert agree() == first
        # By its tag, which is how one comes back from a rollback.
        project.python("-m", "training.rollback", second)
        assert agree() == second
