"""The whole pipeline in a copy of the project: what it leaves behind, and what it must not."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from serving.schema import CLASSES, MODEL_NAME
from tests.training.conftest import Project
from training.builtin import synthesize

pytestmark = pytest.mark.slow

# Read by a program of its own: MLflow and BentoML keep their stores' addresses for the life of a process.
FACTS = """
import json, bentoml, mlflow, numpy as np
from pathlib import Path
from serving import store
from training import tracking, dataset
tracking.connect()
model, estimator, data = store.load(), store.load_estimator(), dataset.read()
client = mlflow.MlflowClient()
run = client.get_run(model.metadata["mlflow_run_id"])
parent = run.data.tags["mlflow.parentRunId"]
experiment = client.get_experiment_by_name(bentoml.models.get(model.tag).tag.name)
children = client.search_runs([experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent}'")
rows = data.features.to_numpy()
difference = np.abs(model.model.score(rows).probabilities - estimator.predict_proba(data.features)).max()
logged = {c.info.run_name: mlflow.sklearn.load_model(f"runs:/{c.info.run_id}/model") for c in children}
signed = [mlflow.models.get_model_info(f"runs:/{c.info.run_id}/model") for c in children]
print(json.dumps({
    "tag": model.tag, "metadata": model.metadata, "files": sorted(f.name for f in model.path.iterdir()),
    "estimator": type(estimator).__name__, "classes": list(map(str, estimator.classes_)), "difference": difference,
    "bentoml_tags": [run.data.tags.get("bentoml_tag"), client.get_run(parent).data.tags.get("bentoml_tag")],
    "children": [c.info.run_name for c in children], "params": run.data.params, "metrics": run.data.metrics,
    "datasets": [len(c.inputs.dataset_inputs) for c in children],
    "signed": all(i.signature and i.saved_input_example_info for i in signed),
    "predictions": {n: sorted(set(map(str, m.predict(data.features)))) for n, m in logged.items()},
}))
"""


@pytest.fixture(scope="module")
def facts(reproduced: Project) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(reproduced.python("-c", FACTS).stdout.splitlines()[-1])
    return facts


def files(project: Project) -> dict[str, bytes]:
    models = project.home / "models" / MODEL_NAME
    model = models / (models / "latest").read_text()
    found = {name: (model / name).read_bytes() for name in ("parameters.npz", "reference.json", "metrics.json")}
    return found | {figure.name: figure.read_bytes() for figure in project.root.glob("reports/figures/*")}


def test_dvc_repro_writes_its_lock_and_no_stray_file(reproduced: Project) -> None:
    assert reproduced.changed().split() == ["??", "dvc.lock"]


def test_second_repro_does_nothing(reproduced: Project) -> None:
    output = reproduced.run("dvc", "repro").stdout
    assert "Running stage" not in output
    assert "up to date" in output


def test_metrics_show(reproduced: Project) -> None:
    shown = json.loads(reproduced.run("dvc", "metrics", "show", "--json").stdout)
    metrics = shown[""]["data"]["reports/metrics.json"]["data"]
    assert metrics["accuracy"] >= 0.95
    assert metrics["log_loss"] <= 0.16
    assert set(metrics) > {"auc", "brier", "calibration_error", "recall", "comparisons"}


def test_plots_show(reproduced: Project, tmp_path: Path) -> None:
    reproduced.run("dvc", "plots", "show", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text()
    for title in ("Confusion", "ROC", "Calibration", "Log-loss", "features.svg"):
        assert title in page


def test_stored_model(facts: dict[str, Any]) -> None:
    assert facts["estimator"] == "GaussianNB"
    assert facts["classes"] == list(CLASSES)
    assert facts["difference"] < 1e-12
    metadata = facts["metadata"]
    assert isinstance(metadata, dict)
    assert set(metadata) >= {"mlflow_run_id", "data_sha256", "git_commit", "versions", "var_smoothing", "data_source"}
    assert len(metadata["git_commit"]) == 40
    assert metadata["git_dirty"] is False


def test_mlflow_runs(facts: dict[str, Any]) -> None:
    assert facts["bentoml_tags"] == [facts["tag"]] * 2
    children, predictions = facts["children"], facts["predictions"]
    assert isinstance(children, list)
    assert isinstance(predictions, dict)
    assert {"logistic_regression", "mixed_nb"} < set(children)
    assert len(children) > 5
    assert set(facts["datasets"]) == {1}
    assert facts["signed"] is True
    assert all(labels == sorted(CLASSES) for labels in predictions.values())
    assert {"accuracy", "evaluation_accuracy"} <= set(facts["metrics"])


def test_make_train_leaves_git_clean(trained: Project) -> None:
    assert trained.changed() == ""
    assert json.loads((trained.root / "reports/metrics.json").read_text())["rows"] == 600
    assert "is ready" in trained.python("-m", "training", "--if-missing").stderr


def test_after_own_data_the_builtin_comes_back_byte_for_byte(trained: Project, reproduced: Project) -> None:
    output = trained.run("dvc", "repro").stdout
    assert "Running stage 'promote'" in output
    assert files(trained) == files(reproduced)
    assert "up to date" in trained.run("dvc", "repro").stdout


def test_exported_model_fills_an_empty_store(reproduced: Project, project: Project) -> None:
    exported = Path("models") / f"{MODEL_NAME}.bentomodel"
    (project.root / "models").mkdir()
    (project.root / exported).write_bytes((reproduced.root / exported).read_bytes())
    assert "imported and verified" in project.python("-m", "training", "--if-missing").stderr
    assert "is ready" in project.python("-m", "training", "--if-missing").stderr
    assert project.changed() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_puts_back(project: Project, number: signal.Signals, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    synthesize(600, seed=99).to_csv(own, index=False)
    command = [sys.executable, "-m", "training", "--data", str(own)]
    process = subprocess.Popen(
        command, cwd=project.root, env=project.environment, stderr=subprocess.PIPE, start_new_session=True
    )
    for _ in range(600):
        if (project.root / "data/dataset.csv").exists():
            break
        time.sleep(0.05)
    assert project.changed() != ""
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert b"Traceback" not in said
    assert project.changed() == ""
    assert not list(project.home.glob("models/*/*/"))


@pytest.mark.parametrize("git", [True, False])
def test_a_stage_that_fails_says_why_in_a_sentence(project: Project, git: bool) -> None:
    if not git:
        shutil.rmtree(project.root / ".git")
    params = project.root / "params.yaml"
    params.write_text(params.read_text().replace("folds: 5", "folds: 1"))
    ended = project.python("-m", "training", code=1)
    assert "error: params.yaml is not valid: train.folds" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].startswith("error: ")
