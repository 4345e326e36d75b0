"""From one clone to another through a DVC remote: the same model, verified."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import s3fs

from serving.schema import MODEL_NAME, Row
from tests.object_storage import s3_server
from tests.processes import started, stop
from tests.servers import Server, free_port, wait_ready
from tests.training.conftest import Project, clone, duplicate
from training.builtin import synthesize

pytestmark = pytest.mark.slow

ROW = Row.model_json_schema()["examples"][0]
EXPORTED = f"models/{MODEL_NAME}.bentomodel"


@pytest.fixture
def s3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of S3 with an empty bucket `bucket`."""
    with s3_server(tmp_path) as url:
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")
        for name, value in zip(names, ("test", "test", "us-east-1"), strict=True):
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem(endpoint_url=url).mkdir("bucket")
        yield url


def same_model(one: Project, other: Project) -> None:
    assert one.model().name == other.model().name
    with np.load(one.model() / "parameters.npz") as before, np.load(other.model() / "parameters.npz") as after:
        assert sorted(before) == sorted(after) == ["log_prior", "mean", "var"]
        for name in before:
            assert before[name].tobytes() == after[name].tobytes()


def served(project: Project, log: Path) -> dict[str, object]:
    """Run `make serve` until it answers a row; return the prediction."""
    port = free_port()
    environment = {**project.environment, "GRPC_PORT": str(free_port())}
    with started(["make", "serve", f"PORT={port}"], project.root, environment, log) as process:
        wait_ready(Server(f"http://localhost:{port}", process, log), seconds=300)
        answer = httpx.post(f"http://localhost:{port}/predict_one", json=ROW).raise_for_status().json()
        assert stop(process) == []
    return dict(answer)


def test_s3_from_a_push_to_a_colleagues_prediction(reproduced: Project, s3: str, tmp_path: Path) -> None:
    owner = duplicate(reproduced, tmp_path / "owner")
    owner.run("dvc", "remote", "add", "-d", "store", "s3://bucket/team")
    owner.run("dvc", "remote", "modify", "store", "endpointurl", s3)
    owner.commit("the model, and where it is")
    owner.run("dvc", "push")

    colleague = clone(owner, tmp_path / "colleague")
    colleague.run("dvc", "pull")
    answer = served(colleague, tmp_path / "serve.log")
    assert "imported and verified" in (tmp_path / "serve.log").read_text()
    assert answer["model"] == f"{MODEL_NAME}:{owner.model().name}"
    same_model(owner, colleague)
    assert colleague.changed() == ""
    assert "up to date" in colleague.run("dvc", "repro").stdout
    for shown in ("confusion.csv", "features.svg"):
        assert list(colleague.root.rglob(shown))


def spoil(file: Path) -> None:
    """Change one byte in the middle, as a disk or a hand does. DVC keeps its cache read-only."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)


def test_a_tampered_copy_is_named_and_not_served(reproduced: Project, tmp_path: Path) -> None:
    owner, remote = duplicate(reproduced, tmp_path / "owner"), tmp_path / "folder"
    owner.run("dvc", "remote", "add", "-d", "store", str(remote))
    owner.commit("a folder as the remote")
    owner.run("dvc", "push")

    honest = clone(owner, tmp_path / "honest")
    honest.run("dvc", "pull")
    honest.python("-m", "training", "--if-missing")
    same_model(owner, honest)

    # One byte in the cache, which DVC trusts.
    outs = json.loads(honest.python("-c", LOCKED).stdout)["promote"]["outs"]
    [md5] = [out["md5"] for out in outs if out["path"] == EXPORTED]
    cached = honest.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    spoil(cached)
    (honest.root / EXPORTED).unlink()
    honest.run("dvc", "checkout", EXPORTED, code=None)
    shutil.rmtree(honest.home)
    said = honest.python("-c", ENSURE)
    assert said.stdout == "False\n"
    assert f"{EXPORTED} is not the file that dvc.lock names: remove it and files/md5/{md5[:2]}/{md5[2:]}" in said.stderr
    cached.unlink()
    (honest.root / EXPORTED).unlink()
    honest.run("dvc", "pull")
    assert honest.python("-c", ENSURE).stdout == "True\n"
    same_model(owner, honest)

    # In the remote, a model that is valid in itself, with a manifest that fits.
    forger, victim = duplicate(owner, tmp_path / "forger"), clone(owner, tmp_path / "victim")
    forger.python("-c", FORGE, str(tmp_path / "forged"))
    stored = remote / "files/md5" / md5[:2] / md5[2:]
    stored.chmod(0o644)
    shutil.copyfile(forger.root / EXPORTED, stored)
    stored.chmod(0o444)
    victim.run("dvc", "pull")
    said = victim.python("-c", ENSURE)
    assert said.stdout == "False\n"
    assert "is not the file that dvc.lock names" in said.stderr
    # As damaged as a disk leaves it, and without a dvc.lock to compare with.
    shutil.copyfile(owner.root / EXPORTED, victim.root / EXPORTED)
    spoil(victim.root / EXPORTED)
    (victim.root / "dvc.lock").unlink()
    said = victim.python("-c", ENSURE)
    assert f"{EXPORTED}" in said.stderr
    assert said.stdout == "False\n"
    assert not any((victim.home / "models").glob("*/*/model.yaml"))


ENSURE = "from pathlib import Path; from training.bootstrap import ensure_model; print(ensure_model(Path.cwd()))"
LOCKED = "import json, yaml; print(json.dumps(yaml.safe_load(open('dvc.lock'))['stages']))"
# A model with another prior and a manifest that fits it, exported as promote does.
FORGE = """
import shutil, sys
from pathlib import Path
import numpy as np
from bentoml._internal.configuration.containers import BentoMLContainer
from serving import store
from training import promote
folder, stored = Path(sys.argv[1]), store.load()
folder.mkdir()
for name in store.FILES:
    shutil.copyfile(stored.path / name, folder / name)
arrays = dict(np.load(folder / "parameters.npz"))
arrays["log_prior"] = np.roll(np.log([0.99, 0.01]), 1)
np.savez(folder / "parameters.npz", **arrays)
promote.export(store.save(folder, stored.metadata), BentoMLContainer.model_store.get())
"""


def test_a_team_that_versions_its_own_rows(project: Project, tmp_path: Path) -> None:
    """`dvc add`, two lines of params.yaml, `dvc repro`; an older model can be made again in a fresh clone."""
    remote, rows, params = tmp_path / "folder", project.root / "people.csv", project.root / "params.yaml"
    synthesize(1000, seed=5).to_csv(rows, index=False)
    project.run("dvc", "add", "people.csv")
    text = params.read_text()
    for builtin, ours in (("source: builtin", "source: csv"), ("training/builtin.py", "people.csv")):
        text = text.replace(builtin, ours, 1)
    params.write_text(text)
    project.run("dvc", "remote", "add", "-d", "store", str(remote))
    project.commit("our rows")
    project.run("dvc", "repro")
    project.commit("our model")
    project.run("dvc", "push")
    first, commit = project.model().name, project.run("git", "rev-parse", "HEAD~1").stdout.strip()

    synthesize(1200, seed=6).to_csv(rows, index=False)
    project.run("dvc", "repro")
    project.commit("more rows")
    project.run("dvc", "push")
    assert project.model().name != first

    colleague = clone(project, tmp_path / "colleague")
    colleague.run("dvc", "pull")
    assert (colleague.root / "people.csv").read_bytes() == rows.read_bytes()
    assert "up to date" in colleague.run("dvc", "repro").stdout
    said = colleague.python("-m", "training", "--if-missing").stderr
    assert "imported and verified" in said
    same_model(project, colleague)

    # The older one, from the store of whoever trained it, in a clone at its commit: its rows are only in the remote.
    at_commit = clone(project, tmp_path / "at commit")
    at_commit.run("git", "checkout", "--quiet", commit)
    shutil.copytree(project.home, at_commit.home)
    before = sorted(path for path in at_commit.home.rglob("*") if path.is_file())
    done = subprocess.run(
        ["make", "reproduce", f"TAG={first}"],
        cwd=at_commit.root,
        env=at_commit.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"identical: {MODEL_NAME}:{first} was made again from commit {commit}" in done.stderr
    assert sorted(path for path in at_commit.home.rglob("*") if path.is_file()) == before
    assert at_commit.changed() == ""

    shutil.rmtree(remote)
    shutil.rmtree(at_commit.root / ".dvc/cache")
    gone = at_commit.python("-m", "training.reproduce", first, code=1).stderr
    assert "is neither in DVC's cache nor in its remote" in gone.splitlines()[-1]
