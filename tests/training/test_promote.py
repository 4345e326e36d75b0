"""The gate as a stage: what is refused changes nothing that is served."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from serving.schema import CLASSES, MODEL_NAME, TARGET
from tests.training.conftest import Project
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


def test_a_refused_model_is_not_served_and_the_verdict_says_why(project: Project, tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    frame = synthesize(1000, seed=5)
    frame.to_csv(good, index=False)
    said = project.python("-m", "training", "--data", str(good)).stderr
    assert "there is no champion to compare with" in said
    agrees, versions, _ = tags(project)
    assert agrees
    assert versions["champion"] == versions["challenger"]
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
    agrees, after, tagged = tags(project)
    assert agrees
    assert after["champion"] == versions["champion"] != after["challenger"]
    assert tagged.startswith("refused")
    assert "verdict.json" in tagged

    # Another good one, then back: the alias goes with the store, and it comes back if somebody moved it.
    other = tmp_path / "other.csv"
    synthesize(1000, seed=6).to_csv(other, index=False)
    project.python("-m", "training", "--data", str(other))
    agrees, promoted, _ = tags(project)
    assert agrees
    assert promoted["champion"] == promoted["challenger"] != versions["champion"]
    project.python("-m", "training.rollback")
    assert served(project)[0] == before[0]
    agrees, back, _ = tags(project)
    assert agrees
    assert back["champion"] == versions["champion"]

    # A tracking server that is not there: the store goes back all the same, and it is said what was not recorded.
    gone = {**project.environment, "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    command = [sys.executable, "-m", "training.rollback", before[0]]
    done = subprocess.run(command, cwd=project.root, env=gone, capture_output=True, text=True, timeout=120, check=True)
    assert f"not recorded: alias champion of {MODEL_NAME}" in done.stderr
    assert "Traceback" not in done.stderr
    assert served(project)[0] == before[0]
