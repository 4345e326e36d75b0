"""A stored model leads back to all it was made of; made again from that, its arrays are the same, or it is said why."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from serving.schema import MODEL_NAME
from tests.training.conftest import Project, clone, duplicate
from training.reproduce import compare


def test_differences_are_told_bit_by_bit() -> None:
    stored = {"mean": np.array([1.0, 2.0]), "var": np.array([1.0]), "bins": np.array([1, 2])}
    assert list(compare(stored, stored)) == []
    again = {"mean": np.array([1.0, np.nextafter(2.0, 3)]), "bins": np.array([1.0, 2.0])}
    assert list(compare(stored, again)) == [
        "bins was int64 (2,) and is float64 (2,)",
        "mean differs by up to 4.44e-16",
        "var is only in the stored model",
    ]
    assert list(compare({"zero": np.array([0.0])}, {"zero": np.array([-0.0])})) == ["zero differs by up to 0"]


def reproduce(project: Project, tag: str, code: int = 0) -> str:
    done = subprocess.run(
        ["make", "reproduce", f"TAG={tag}"],
        cwd=project.root,
        env=project.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode != 0) == (code != 0), done.stderr
    assert "Traceback" not in done.stderr
    [said] = [line for line in done.stderr.splitlines() if line.startswith(("identical:", "error:"))]
    return said


def rewrite(model: Path, **changes: object) -> None:
    """Change a model's metadata, as if it had been made otherwise."""
    file = model / "model.yaml"
    values = yaml.safe_load(file.read_text())
    values["metadata"] |= changes
    file.write_text(yaml.safe_dump(values))


@pytest.mark.slow
def test_an_older_model_in_a_fresh_clone_at_its_commit(reproduced: Project, tmp_path: Path) -> None:
    author = duplicate(reproduced, tmp_path / "author")
    older = author.model()
    commit = author.run("git", "rev-parse", "HEAD").stdout.strip()
    author.commit("the lock")
    # A newer one: other rows, and by a trainer that has changed since.
    params = author.root / "params.yaml"
    params.write_text(params.read_text().replace("seed: 7  ", "seed: 8  ", 1))
    trainer = author.root / "training/train.py"
    trainer.write_text(trainer.read_text().replace("class_prior_)", "class_prior_ * 1.0)"))
    author.commit("other rows, another trainer")
    author.python("-m", "training")
    assert author.model() != older

    fresh = replace(clone(author, tmp_path / "fresh"), measured=True)
    fresh.run("git", "checkout", "--quiet", commit)
    shutil.copytree(author.home, fresh.home)
    before = {path: path.read_bytes() for path in fresh.home.rglob("*") if path.is_file()}
    said = reproduce(fresh, older.name)
    assert said.startswith(f"identical: {MODEL_NAME}:{older.name} was made again from commit {commit}")
    assert {path: path.read_bytes() for path in fresh.home.rglob("*") if path.is_file()} == before
    assert fresh.changed() == ""
    assert not (fresh.root / "mlflow.db").exists()
    assert fresh.run("git", "worktree", "list").stdout.count("\n") == 1

    # What cannot be had, and a model that is another one than it says.
    model = fresh.model(older.name)
    metadata = yaml.safe_load((model / "model.yaml").read_text())["metadata"]
    assert metadata["params"]["train.folds"] == 5
    rewrite(model, git_commit="0" * 40)
    assert "is not in this repository: fetch or pull it" in reproduce(fresh, model.name, code=1)
    rewrite(model, git_commit=commit, git_dirty=True)
    assert "with uncommitted changes" in reproduce(fresh, model.name, code=1)
    rewrite(model, git_dirty=False, data_source="csv")
    assert "is neither in DVC's cache nor in its remote" in reproduce(fresh, model.name, code=1)
    rewrite(model, data_source="builtin", params={**metadata["params"], "train.var_smoothing": [0.2]})
    differs = reproduce(fresh, model.name, code=1)
    assert "is not reproduced: " in differs
    assert "differs by up to" in differs
