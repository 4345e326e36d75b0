"""Where a model comes from: the commit, the versions, the data and the parameters it was made with."""

import hashlib
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Any

from training import dataset, settings
from training.tracking import Run

LIBRARIES = ("numpy", "scikit-learn", "pandas", "skops", "mlflow", "bentoml")


def metadata(params: settings.Settings, kept: Run) -> dict[str, object]:
    """Return what leads back from a stored model to all that it was made of; `training.reproduce` goes that way.

    The data's path stays out: it is one of the machine, and the sums name the data.
    """
    return {
        "mlflow_run_id": kept.run_id,
        "mlflow_tracking_uri": kept.tracking_uri,
        "data_source": params.data.source,
        "data_sha256": dataset.sha256(),
        # DVC's address of the file in its cache and in every remote
        "data_md5": hashlib.md5(dataset.PATH.read_bytes(), usedforsecurity=False).hexdigest(),
        "var_smoothing": kept.var_smoothing,
        **git_commit(),
        "params": dict(flat(params.model_dump(mode="json", exclude={"synthesize": True, "data": {"path"}}))),
        "versions": versions(),
    }


def flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Name nested values as `dvc exp run -S` does: train.seed."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}


def git_commit() -> dict[str, str | bool]:
    """Return the commit, "unknown" without git or before the first one, and whether tracked files differ from it.

    params.yaml and dvc.lock are left out: `make train DATA=...` changes them for the time of its run, and what they say
    is in the model's metadata anyway.
    """
    commit = _git("rev-parse", "--verify", "HEAD")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!params.yaml", ":!dvc.lock")
    return {"git_commit": commit or "unknown", "git_dirty": bool(changed)}


def _git(*arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
