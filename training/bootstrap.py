"""What `make serve` needs before it serves: a model in the BentoML store. Imports nothing heavy."""

import hashlib
from lzma import LZMAError
from pathlib import Path
from tarfile import TarError

import bentoml
import yaml
from bentoml.exceptions import BentoMLException

from serving import store
from serving.schema import MODEL_NAME
from training.stage import say

# The md5 of the file that was exported last, in a folder that stays on this machine.
MADE_HERE = Path(".dvc/tmp/exported.md5")


def ensure_model(root: Path) -> bool:
    """Find a servable model in the store, or import the exported one.

    Returns:
        Whether there is one now. If not, it has been said why, and training makes one.
    """
    try:
        say(f"model {store.load().tag} is ready")
        return True
    except store.ModelError as error:
        # An exported file is as old as what it would replace, so it only helps an empty store.
        if store.tags():
            say(f"{error}. Training a new one")
            return False
    exported = root / "models" / f"{MODEL_NAME}.bentomodel"
    if not exported.is_file():
        say("no model yet, training one")
        return False
    wanted = _locked(exported, root)
    if wanted and md5(exported) not in {wanted, _made_here(root)}:
        say(
            f"{exported} is not the file that dvc.lock names: remove it and files/md5/{wanted[:2]}/{wanted[2:]} "
            "of DVC's cache, then `dvc pull`. Training a model"
        )
        return False
    return _import(exported)


def md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


def _made_here(root: Path) -> str:
    """Return the md5 of what `promote` exported last: `make train` leaves dvc.lock as it was."""
    try:
        return (root / MADE_HERE).read_text()
    except OSError:
        return ""


def _locked(file: Path, root: Path) -> str | None:
    """Return a file's md5 in dvc.lock, which git keeps; DVC itself trusts its cache and its remote."""
    try:
        stages = yaml.safe_load((root / "dvc.lock").read_bytes())["stages"]
        sums = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", ()) if "md5" in out}
    except (OSError, yaml.YAMLError, KeyError, TypeError, AttributeError):
        return None
    return sums.get(file.relative_to(root).as_posix())


def _import(file: Path) -> bool:
    try:
        with store.whole() as staging:
            tag = str(bentoml.models.import_model(str(file.absolute()), _model_store=staging).tag)
    # A damaged archive shows itself in as many ways as there are libraries on the way: all of them mean the same.
    except (BentoMLException, TarError, LZMAError, OSError, ValueError, EOFError, KeyError, TypeError) as error:
        say(f"{file} cannot be imported ({error}). Training a model")
        return False
    try:
        if store.load(tag).metadata.get("gate") == "refused":
            raise store.ModelError(f"the gate refused model {tag}, of an experiment")
    except store.ModelError as error:
        bentoml.models.delete(tag)
        say(f"{file}: {error}. Training a model")
        return False
    store.set_latest(tag)
    say(f"imported and verified {tag} from {file}")
    return True
