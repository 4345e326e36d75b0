"""`python -m training.reproduce [TAG]`, which is `make reproduce TAG=...`: make a stored model again and compare.

Everything comes from what the model's metadata names: the commit, the parameters, the data. It happens in a temporary
clone with stores of its own, so nothing of the user's is touched.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from serving import store
from serving.schema import MODEL_NAME
from training import dataset, dvc_cache
from training.provenance import flat, versions
from training.stage import TrainingError, run, say

ROOT = Path(__file__).resolve().parents[1]


def reproduce(stored: store.StoredModel, root: Path = ROOT) -> int:
    """Make a model again from its metadata.

    Returns:
        How many arrays were compared: all are equal, bit by bit.

    Raises:
        TrainingError: something it was made of cannot be had, or an array differs.
    """
    made = stored.metadata
    missing = {"git_commit", "git_dirty", "data_sha256", "data_md5", "data_source", "params"} - set(made)
    if missing:
        raise TrainingError(f"{stored.tag} does not record its {', '.join(sorted(missing))}: an older version made it")
    with TemporaryDirectory(prefix="reproduce-") as name:
        clone = _clone(made, root, Path(name) / "clone")
        _set_params(clone, made["params"])
        home = Path(name) / "bentoml"
        _get_data(made, root, clone, home)
        for stage in ("train", "evaluate", "promote"):
            _stage(stage, clone, home)
        [again] = (path for path in (home / "models" / MODEL_NAME).iterdir() if path.is_dir())
        changed = [
            f"{name} {then}, now {versions().get(name)}"
            for name, then in made.get("versions", {}).items()
            if versions().get(name) != then
        ]
        before, after = arrays(stored.path), arrays(again)
    differences = list(compare(before, after))
    libraries = f" (made with {', '.join(changed)})" if changed else ""
    if differences:
        more = f", and {len(differences) - 1} more arrays" if differences[1:] else ""
        raise TrainingError(f"{stored.tag} is not reproduced: {differences[0]}{more}{libraries}")
    if changed:
        say(f"other libraries{libraries}")
    return len(before)


def arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return every array of a model's folder by name: the parameters, the reference, the metrics."""
    with np.load(path / "parameters.npz", allow_pickle=False) as file:
        found = dict(file)
    for name in ("reference.json", "metrics.json"):
        values = json.loads((path / name).read_bytes())
        found |= {f"{key} of {name}": np.array(value) for key, value in flat(values)}
    return found


def compare(before: Mapping[str, NDArray[Any]], after: Mapping[str, NDArray[Any]]) -> Iterator[str]:
    """Say of each array that is not equal, bit by bit, by how much it differs."""
    for name in sorted({*before, *after}):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            yield f"{name} is only in the {'new' if one is None else 'stored'} model"
        elif one.dtype != other.dtype or one.shape != other.shape:
            yield f"{name} was {one.dtype} {one.shape} and is {other.dtype} {other.shape}"
        elif one.tobytes() != other.tobytes():
            yield f"{name} differs by up to {np.abs(one - other).max():.3g}"


def _clone(made: Mapping[str, Any], root: Path, to: Path) -> Path:
    """Check the model's commit out and return the project's folder in it."""
    commit = made["git_commit"]
    if commit == "unknown":
        raise TrainingError("the model was trained outside git: there is no commit to make it again from")
    if made["git_dirty"]:
        raise TrainingError(f"the model was trained with uncommitted changes on top of {commit}, which nobody recorded")
    prefix = _git(root, "rev-parse", "--show-prefix").strip()
    # Shared: the objects stay where they are, so that this takes a second for any history.
    _git(root, "clone", "--quiet", "--shared", "--no-checkout", _git(root, "rev-parse", "--show-toplevel").strip(), to)
    try:
        _git(to, "checkout", "--quiet", "--detach", commit)
    except TrainingError:
        raise TrainingError(
            f"commit {commit}, which the model was trained at, is not in this repository: fetch or pull it"
        ) from None
    return to / prefix


def _git(folder: Path, *arguments: str | Path) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)  # noqa: S607
    except FileNotFoundError:
        raise TrainingError("git is not installed, and the model's commit is needed") from None
    if done.returncode:
        raise TrainingError(f"git {arguments[0]} failed: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _set_params(clone: Path, params: Mapping[str, Any]) -> None:
    file = clone / "params.yaml"
    values = yaml.safe_load(file.read_text(encoding="utf-8"))
    for name, value in params.items():
        section = values
        *sections, last = name.split(".")
        for each in sections:
            section = section[each]
        section[last] = value
    file.write_text(yaml.safe_dump(values))


def _get_data(made: Mapping[str, Any], root: Path, clone: Path, home: Path) -> None:
    """Put the rows the model was trained on to their place: generated again, or found by their sums."""
    here, wanted = clone / dataset.PATH, made["data_sha256"]
    here.parent.mkdir(exist_ok=True)
    if made["data_source"] == "builtin":
        _stage("prepare", clone, home)
        if dataset.sha256(here) != wanted:
            raise TrainingError(f"the generator gives other rows than the model was trained on, of sha256 {wanted}")
    elif (root / dataset.PATH).is_file() and dataset.sha256(root / dataset.PATH) == wanted:
        copyfile(root / dataset.PATH, here)
    else:
        dvc_cache.fetch(made["data_md5"], here, root)
        if dataset.sha256(here) != wanted:
            raise TrainingError(f"DVC's copy of the data was changed: its sha256 is not {wanted}")


def _stage(name: str, clone: Path, home: Path) -> None:
    foreign = ("MLFLOW_", "DVC_", "BENTOML_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    command = [sys.executable, "-m", f"training.{name}"]
    done = subprocess.run(command, cwd=clone, env={**kept, "BENTOML_HOME": str(home)}, check=False)
    if done.returncode:
        raise TrainingError(f"{name}, as of the model's commit, failed: the reason is above")


def main() -> None:
    asked = sys.argv[1] if sys.argv[1:] else store.LATEST
    try:
        stored = store.load(asked if ":" in asked else f"{MODEL_NAME}:{asked}")
    except store.ModelError as error:
        raise TrainingError(str(error)) from error
    count = reproduce(stored)
    say(f"identical: {stored.tag} was made again from commit {stored.metadata['git_commit']}, {count} arrays are equal")


if __name__ == "__main__":
    run(main)
