"""`make pull` and `make publish` with a real DVC remote, and without one."""

import shutil
from pathlib import Path

import pytest

from tests.training.conftest import Project

pytestmark = pytest.mark.slow


def test_without_a_remote_both_say_so(project: Project) -> None:
    for what in ("pull", "publish"):
        said = project.python("-m", "training.remote", what).stderr
        assert said.startswith("there is no DVC remote (`dvc remote add --default NAME URL`): nothing is pull"[:70])


def test_what_was_published_is_pulled_elsewhere(reproduced: Project, tmp_path: Path) -> None:
    author = Project(tmp_path / "author")
    shutil.copytree(reproduced.root, author.root, symlinks=True)
    author.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    author.python("-m", "training.remote", "publish")
    author.run("git", "add", "dvc.lock", ".dvc/config")
    who = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    author.run("git", *who, "commit", "--quiet", "--no-verify", "--message", "a model")

    author.run("git", "clone", "--quiet", str(author.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    clone.python("-m", "training.remote", "pull")
    for name in ("data/dataset.csv", "models/candidate/parameters.npz", "reports/metrics.json"):
        assert (clone.root / name).read_bytes() == (author.root / name).read_bytes()
    assert "Data and pipelines are up to date" in clone.run("dvc", "status", "dvc.yaml").stdout

    clone.run("dvc", "remote", "modify", "shared", "url", "/dev/null/remote")
    refused = clone.python("-m", "training.remote", "publish", code=1)
    assert refused.stderr.splitlines()[-1].startswith("error: `dvc push` failed, the reason is above")


def test_what_was_never_published_is_left_for_the_pipeline(project: Project, tmp_path: Path) -> None:
    project.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    (tmp_path / "remote").mkdir()
    project.python("-m", "training.remote", "pull")
