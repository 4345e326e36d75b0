"""Another revision of this project, trained in a folder of its own: nothing here is touched."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from training import remote, settings
from training.stage import TrainingError, say


@contextmanager
def trained(root: Path, name: str) -> Iterator[Path]:
    """Yield a folder with the revision's files and what its own pipeline makes of its own data.

    Args:
        name: anything that git takes for a commit, as origin/main.

    Raises:
        TrainingError: git does not know the revision, or its pipeline fails.
    """
    commit = resolve(root, name)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "project"
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", commit).stdout)) as files:
            files.extractall(folder, filter="data")
        _share_dvc(root, folder)
        if remote.configured(folder):
            remote.pull(folder)
        bring_data(root, folder)
        say(f"training {name} ({commit[:8]}) to compare with")
        # Stores of its own, below the temporary folder.
        kept = {key: value for key, value in os.environ.items() if key != "MLFLOW_TRACKING_URI"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {**kept, "PATH": path, "BENTOML_HOME": str(Path(temporary) / "bentoml")}
        if subprocess.run([sys.executable, "-m", "training"], cwd=folder, env=environment, check=False).returncode:
            raise TrainingError(f"the pipeline of {name} fails, the reason is above: there is nothing to compare with")
        yield folder


def resolve(root: Path, name: str) -> str:
    """Return the full hash of a revision's commit."""
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if found.returncode:
        raise TrainingError(f"git knows no revision {name!r}: fetch it first, or name another, as in BASE=HEAD^")
    return found.stdout.decode().strip()


def _git(root: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    command = [shutil.which("git") or "git", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, check=False)


def _share_dvc(root: Path, folder: Path) -> None:
    """Let DVC work there without git, with our cache and our credentials."""
    local = folder / ".dvc" / "config.local"
    if (root / ".dvc" / "config.local").is_file():
        shutil.copyfile(root / ".dvc" / "config.local", local)
    for name, value in (("core.no_scm", "true"), ("cache.dir", str(root / ".dvc" / "cache"))):
        subprocess.run([sys.executable, "-m", "dvc", "config", "--local", name, value], cwd=folder, check=True)


def bring_data(root: Path, folder: Path) -> None:
    """Copy the file that the data come from, if neither git nor DVC holds it."""
    # Not by our settings, which need not be its own.
    named = yaml.safe_load((folder / settings.PATH).read_text(encoding="utf-8"))["data"]["path"]
    if not (folder / named).exists() and (root / named).is_file():
        (folder / named).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / named, folder / named)
