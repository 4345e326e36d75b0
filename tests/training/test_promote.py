"""The gate as a stage: what is refused changes nothing that is served."""

import json
from pathlib import Path

import numpy as np
import pytest

from serving.schema import CLASSES, MODEL_NAME, TARGET
from tests.training.conftest import Project
from training.builtin import synthesize

pytestmark = pytest.mark.slow

# In a program of its own: MLflow keeps its store's address for the life of a process.
TAGS = """
import mlflow
from training import tracking
tracking.connect()
client = mlflow.MlflowClient()
run = client.get_run(tracking.Run.read().run_id)
print(run.data.tags["gate"], [artifact.path for artifact in client.list_artifacts(run.info.run_id)])
"""


def served(project: Project) -> list[str]:
    models = project.home / "models" / MODEL_NAME
    return [(models / "latest").read_text(), *sorted(path.name for path in models.iterdir() if path.is_dir())]


def test_a_refused_model_is_not_served_and_the_verdict_says_why(project: Project, tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    frame = synthesize(1000, seed=5)
    frame.to_csv(good, index=False)
    said = project.python("-m", "training", "--data", str(good)).stderr
    assert "there is no champion to compare with" in said
    assert "passed" in project.python("-c", TAGS).stdout
    before = served(project)

    shuffled = tmp_path / "shuffled.csv"
    labels = np.random.default_rng(0).permutation(frame[TARGET])
    frame.assign(**{TARGET: labels}).to_csv(shuffled, index=False)
    refused = project.python("-m", "training", "--data", str(shuffled), code=1).stderr
    assert "error: the gate refuses this model" in refused
    assert f"{MODEL_NAME}:{before[0]} goes on being served" in refused
    assert "Traceback" not in refused
    assert served(project) == before
    assert project.changed() == ""

    verdict = json.loads((project.root / "reports/verdict.json").read_text())
    assert verdict["passed"] is False
    assert verdict["champion"] == f"{MODEL_NAME}:{before[0]}"
    assert {check["name"] for check in verdict["checks"]} >= {f"recall of {label}" for label in CLASSES}
    tagged = project.python("-c", TAGS).stdout
    assert tagged.startswith("refused")
    assert "verdict.json" in tagged
