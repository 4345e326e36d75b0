"""The gate as a stage: what is refused changes nothing that is served."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from serving.schema import CLASSES, MODEL_NAME, TARGET
from tests.training.conftest import Project, duplicate
from training.builtin import synthesize

pytestmark = pytest.mark.slow

# In a program of its own: MLflow keeps its store's address for the life of a process.
TAGS = """
import json, mlflow
from serving import store
from serving.schema import MODEL_NAME
from training import tracking
tracking.connect()
client = mlflow.MlflowClient()
run = client.get_run(tracking.Run.read().run_id)
versions = {name: client.get_model_version_by_alias(MODEL_NAME, name).run_id for name in ("champion", "challenger")}
print(json.dumps([store.load().metadata["mlflow_run_id"] == versions["champion"], versions]))
print(run.data.tags["gate"], [artifact.path for artifact in client.list_artifacts(run.info.run_id)])
"""


def served(project: Project) -> list[str]:
    models = project.home / "models" / MODEL_NAME
    return [(models / "latest").read_text(), *sorted(path.name for path in models.iterdir() if path.is_dir())]


def tags(project: Project) -> tuple[bool, dict[str, str], str]:
    """Return whether the champion is what the store serves, the run of each alias, and the last run's tag and files."""
    first, last = project.python("-c", TAGS).stdout.splitlines()[-2:]
    agrees, versions = json.loads(first)
    return agrees, versions, last


def test_a_refused_model_is_not_served_and_the_verdict_says_why(reproduced: Project, tmp_path: Path) -> None:
    project, shuffled = duplicate(reproduced, tmp_path / "project"), tmp_path / "shuffled.csv"
    agrees, versions, _ = tags(project)
    assert agrees
    assert versions["champion"] == versions["challenger"]
    before, changed = served(project), project.changed()

    frame = synthesize(1000, seed=5)
    labels = np.random.default_rng(0).permutation(frame[TARGET])
    frame.assign(**{TARGET: labels}).to_csv(shuffled, index=False)
    refused = project.python("-m", "training", "--data", str(shuffled), code=1).stderr
    assert "error: the gate refuses this model" in refused
    assert f"{MODEL_NAME}:{before[0]} goes on being served" in refused
    assert "Traceback" not in refused
    assert served(project) == before
    assert project.changed() == changed

    verdict = json.loads((project.root / "reports/verdict.json").read_text())
    assert verdict["passed"] is False
    assert verdict["champion"] == f"{MODEL_NAME}:{before[0]}"
    assert {check["name"] for check in verdict["checks"]} >= {f"recall of {label}" for label in CLASSES}
    agrees, after, tagged = tags(project)
    assert agrees
    assert after["champion"] == versions["champion"] != after["challenger"]
    assert tagged.startswith("refused")
    assert "verdict.json" in tagged


def test_a_rollback_without_the_tracking_server_says_what_was_not_recorded(reproduced: Project, tmp_path: Path) -> None:
    project = duplicate(reproduced, tmp_path / "project")
    before = served(project)
    gone = replace(project, variables={"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})
    said = gone.python("-m", "training.rollback", before[0]).stderr
    assert f"not recorded: alias champion of {MODEL_NAME}" in said
    assert "Traceback" not in said
    assert served(project) == before
