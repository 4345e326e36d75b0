"""What `make serve` needs before it serves: a model in the BentoML store. Imports nothing heavy."""

from pathlib import Path

import bentoml
from bentoml.exceptions import BentoMLException

from serving import store
from serving.schema import MODEL_NAME
from training.stage import say


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
    if exported.is_file():
        return _import(exported)
    say("no model yet, training one")
    return False


def _import(file: Path) -> bool:
    try:
        with store.whole() as staging:
            tag = str(bentoml.models.import_model(str(file.absolute()), _model_store=staging).tag)
    # A damaged archive shows itself in as many ways as there are libraries on the way: all of them mean the same.
    except (BentoMLException, OSError, ValueError, EOFError, KeyError, TypeError) as error:
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
