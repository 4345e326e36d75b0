"""`make compare`: another revision trained beside this one, the gate between them, and the report."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serving.model import Model, Parameters
from serving.schema import CLASSES, NAMES
from tests.training.conftest import Project
from training import comparison, revision
from training.comparison import Side
from training.gate import Check, Verdict

REPORT = "reports/comparison.md"


def side(name: str, **changes: Any) -> Side:
    scores = {"accuracy": 0.9, "auc": 0.95, "log_loss": 0.2, "brier": 0.06, "calibration_error": 0.02, **changes}
    metrics = {**scores, "recall": dict.fromkeys(CLASSES, 0.9), "rows": 5000, "folds": 5}
    actual = list(CLASSES) * 5
    plots = {
        "confusion": pd.DataFrame({"actual": actual, "predicted": [*actual[1:], CLASSES[0]]}),
        "roc": pd.DataFrame({"false_positive_rate": [0, 0.5, 1], "true_positive_rate": [0, 1, 1], "threshold": 0.5}),
        "calibration": pd.DataFrame({"predicted_probability": [0.0, 1.0], "observed_share": [0.1, 0.9], "rows": 5}),
    }
    shape = (len(CLASSES), len(NAMES))
    model = Model(Parameters(np.zeros(shape[0]), np.zeros(shape), np.ones(shape)))
    return Side(name, metrics, plots, {"train.folds": "5", "data.rows": name}, model)


PASSED = Verdict("main", 100, (Check("calibration error", 0.02, 0.03),))
FAILED = Verdict("main", 100, (Check("recall of one", 0.4, 0.5, least=True), Check("calibration error", 0.02, 0.03)))


def test_report_says_what_is_better_and_what_is_worse() -> None:
    lines = comparison.write(side("here", accuracy=0.8, log_loss=0.1), side("main"), PASSED).splitlines()
    assert "✅ **The gate lets this model through.** 100 hold-out rows, against main." in lines
    assert "| accuracy | 0.9000 | 0.8000 | -0.1000 **worse** |" in lines
    assert "| log loss | 0.2000 | 0.1000 | -0.1000 better |" in lines
    assert "| auc | 0.9500 | 0.9500 | +0.0000 = |" in lines
    assert "| `data.rows` | main | here |" in lines
    assert not any("train.folds" in line for line in lines)
    assert "    line [0.1000, 0.1800, 0.2600, 0.3400, 0.4200, 0.5000, 0.5800, 0.6600, 0.7400, 0.8200, 0.9000]" in lines


def test_report_says_why_a_model_is_refused() -> None:
    text = comparison.write(side("here"), side("main"), FAILED)
    assert "❌ **The gate refuses this model**: recall of one. 100" in text
    assert "| recall of one | 0.4000 | ≥ 0.5000 | **FAILED** |" in text


def test_report_leads_to_the_figures() -> None:
    environment = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "7"}
    address = comparison.run_address(environment)
    assert "(https://github.com/o/r/actions/runs/7)" in comparison.write(side("here"), side("main"), PASSED, address)
    assert comparison.run_address({}) == ""


def test_a_revision_gets_the_rows_that_git_does_not_hold(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
    (here / "own.csv").write_text("rows")
    # Of a time when there were other parameters.
    (there / "params.yaml").write_text("data: {path: own.csv}\nnobody_knows: 1\n")
    revision.bring_data(here, there)
    assert (there / "own.csv").read_text() == "rows"


@pytest.fixture
def changed(reproduced: Project, tmp_path: Path) -> Project:
    """A trained copy, whose own model is worse than that of its commit: it hardly looks at the features."""
    project = Project(tmp_path / "project")
    shutil.copytree(reproduced.root, project.root, symlinks=True)
    params = project.root / "params.yaml"
    text = params.read_text()
    [smoothing] = [line for line in text.splitlines() if line.startswith("  var_smoothing:")]
    params.write_text(text.replace(smoothing, "  var_smoothing: [20.0]"))
    project.run("dvc", "repro", "evaluate")
    return project


@pytest.mark.slow
def test_compares_with_a_revision_and_leaves_all_else_alone(changed: Project, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in changed.root.glob("m*") if p.is_file()}, changed.changed()
    done = changed.python("-m", "training.compare", "HEAD", code=1)
    assert "error: the gate refuses this model beside that of HEAD (" in done.stderr
    assert "log-loss surely above the champion's by" in done.stderr
    report = (changed.root / REPORT).read_text()
    assert "❌ **The gate refuses this model**" in report
    assert "| `train.var_smoothing` | [0.0001, 0.01, 0.1, 0.3] | [20.0] |" in report
    [log_loss] = [line for line in report.splitlines() if line.startswith("| log loss |")]
    assert log_loss.endswith("**worse** |")
    assert ({p: p.read_bytes() for p in changed.root.glob("m*") if p.is_file()}, changed.changed()) == before
    assert not changed.home.exists()


@pytest.mark.slow
def test_an_unchanged_model_equals_its_revision_s(reproduced: Project) -> None:
    done = reproduced.python("-m", "training.compare", "HEAD")
    assert f"compared with HEAD ({done.stderr.split('HEAD (')[1][:8]}): {REPORT}" in done.stderr
    report = (reproduced.root / REPORT).read_text()
    (reproduced.root / REPORT).unlink()
    assert "✅" in report
    assert report.count("+0.0000 =") == 5 + len(CLASSES)
    assert "params.yaml" not in report


@pytest.mark.slow
def test_what_cannot_be_compared_is_said_in_a_sentence(project: Project, reproduced: Project) -> None:
    untrained = project.python("-m", "training.compare", "HEAD", code=1)
    assert untrained.stderr.splitlines()[-1].endswith("reports/metrics.json: run `make train` first")
    unknown = reproduced.python("-m", "training.compare", "--upload-pack", code=1)
    assert unknown.stderr.startswith("error: git knows no revision '--upload-pack': fetch it first")
