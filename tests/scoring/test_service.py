"""Files get the answers that the service gives."""

import os
from pathlib import Path

import httpx
import pytest

from serving.schema import CLASSES, NAMES
from tests.scoring.conftest import Run
from tests.scoring.test_main import load
from tests.servers import serving
from training.builtin import synthesize

pytestmark = pytest.mark.slow


def test_the_answers_are_those_of_the_service(tmp_path: Path, tag: str, run: Run) -> None:
    frame = synthesize(10_000, seed=5)
    frame.to_csv("rows.csv", index=False)
    frame.to_parquet("rows.parquet", index=False)
    with serving(Path(os.environ["BENTOML_HOME"]), tmp_path / "log", {"MODEL_TAG": tag}) as server:
        rows = frame[list(NAMES)].to_dict("records")
        answered = httpx.post(f"{server.url}/predict", json={"rows": rows}, timeout=60).raise_for_status().json()
    for source in ("rows.csv", "rows.parquet"):
        run(source, "out.parquet")
        scored = load(tmp_path / "out.parquet").to_pylist()
        assert len(scored) == len(answered)
        for here, there in zip(scored, answered, strict=True):
            assert here["label"] == there["label"]
            assert here["outlier"] is there["outlier"]
            for name in CLASSES:
                assert abs(here[f"probability_{name}"] - there["probabilities"][name]) < 1e-12
