"""Where a model comes from: the commit and the versions it was made with."""

import platform
import shutil
import subprocess
from importlib.metadata import version

LIBRARIES = ("numpy", "scikit-learn", "pandas", "skops", "mlflow", "bentoml")


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
