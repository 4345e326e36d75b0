"""DVC's experiments in a clone where `dvc repro` has run and dvc.lock is committed."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.training.conftest import Project, duplicate
from tests.training.test_promote import served
from tests.training.test_remotes import ENSURE

pytestmark = pytest.mark.slow


def test_experiments_are_shown_compared_and_not_served(reproduced: Project, tmp_path: Path) -> None:
    project = duplicate(reproduced, tmp_path / "project")
    project.commit("the first model")
    before = served(project)

    ran = project.run("dvc", "exp", "run", "--name", "smoother", "-S", "train.var_smoothing=[0.05]")
    assert "this experiment's model" in ran.stdout + ran.stderr
    assert served(project) == before
    # One that the gate refuses is an experiment, too.
    refused = project.run("dvc", "exp", "run", "--name", "flat", "-S", "train.var_smoothing=[1000]")
    assert "FAILED" in refused.stdout + refused.stderr
    assert json.loads((project.root / "reports/verdict.json").read_text())["passed"] is False
    assert served(project) == before

    table = {
        row["Experiment"]: row for row in csv.DictReader(io.StringIO(project.run("dvc", "exp", "show", "--csv").stdout))
    }
    assert table["smoother"]["train.var_smoothing"] == "[0.05]"
    assert float(table["smoother"]["accuracy"]) > float(table["flat"]["accuracy"])
    compared = project.run("dvc", "metrics", "diff", "HEAD", "smoother", "--json")
    assert compared.stderr == ""
    difference = json.loads(compared.stdout)
    assert difference["reports/metrics.json"]["log_loss"]["diff"]
    project.run("dvc", "plots", "diff", "HEAD", "smoother", "--out", str(tmp_path / "plots"))
    page = (tmp_path / "plots" / "index.html").read_text()
    assert "ROC" in page
    assert "smoother" in page

    # Refused ones are not served in an empty store either, and the one that was liked is, when asked for.
    empty = Project(project.root, {"BENTOML_HOME": str(tmp_path / "empty")})
    assert "the gate refused model" in empty.python("-c", ENSURE).stderr
    project.run("dvc", "exp", "apply", "smoother")
    project.run("dvc", "repro", "--single-item", "--force", "promote")
    assert served(project)[0] != before[0]
