"""Models in the BentoML model store: save, verify, load. Nothing here unpickles anything.

A stored model is a folder of `FILES` and a manifest with the sha256 of each. The server reads the plain arrays and the
reference; `estimator.skops` holds the same parameters as a scikit-learn object, for people.
"""

import hashlib
import json
import logging
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import bentoml
import numpy as np
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.models import ModelStore
from bentoml.exceptions import BentoMLException, NotFound
from yaml import YAMLError

from serving.model import Floats, Model, Parameters
from serving.reference import Reference
from serving.schema import CLASSES, FEATURES, MODEL_NAME, NAMES, fingerprint

if TYPE_CHECKING:
    from sklearn.naive_bayes import GaussianNB

# It would log what `_get` says in a sentence, at length.
logging.getLogger("bentoml._internal.models.model").disabled = True

# BentoML asks every module that a model might hold objects of, as pandas, and fails if it is half imported: whoever
# imports such a library beside a running server holds this meanwhile.
not_importing = threading.Lock()

LATEST = f"{MODEL_NAME}:latest"
FILES = ("estimator.skops", "parameters.npz", "reference.json", "metrics.json", "card.md")
MANIFEST = "manifest.json"
_SHAPES = {
    "log_prior": (len(CLASSES),),
    "mean": (len(CLASSES), len(FEATURES)),
    "var": (len(CLASSES), len(FEATURES)),
}


class ModelError(Exception):
    """A model cannot be had or cannot be trusted. The message is one sentence for whoever starts the server."""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A verified model, ready to score. `tag` is the full one, name:version."""

    tag: str
    path: Path
    model: Model
    reference: Reference
    metadata: dict[str, Any]


def save(folder: Path, metadata: dict[str, Any]) -> str:
    """Put the `FILES` of a folder into the BentoML model store.

    Args:
        metadata: where the model comes from; JSON types only.

    Returns:
        The full tag, which is now the store's latest.
    """
    with whole() as staging:
        tag = put(folder, metadata, staging)
    set_latest(tag)
    return tag


def put(folder: Path, metadata: dict[str, Any], models: ModelStore) -> str:
    """Make a model of the `FILES` of a folder in some model store. Returns its full tag."""
    manifest = {
        "schema": fingerprint(),
        "features": NAMES,
        "classes": CLASSES,
        "sha256": {name: _sha256(folder / name) for name in FILES},
    }
    with bentoml.models.create(
        MODEL_NAME, module=__name__, signatures={}, metadata=metadata, _model_store=models
    ) as created:
        for name in FILES:
            copyfile(folder / name, created.path_of(name))
        Path(created.path_of(MANIFEST)).write_text(json.dumps(manifest, indent=2))
    return str(created.tag)


@contextmanager
def whole() -> Iterator[ModelStore]:
    """Give a store to put models into; at the end they appear in the real one, each at once.

    BentoML copies file by file: whoever is killed meanwhile would leave half a model, which `bentoml models list`
    and everything that looks through the store stumbles over.
    """
    store = Path(BentoMLContainer.model_store_dir.get())
    # Beside the store: a folder can only be renamed within its file system.
    with TemporaryDirectory(prefix=".unfinished-", dir=store.parent) as folder:
        staging = ModelStore(folder)
        yield staging
        for model in staging.list():
            place = store / model.tag.path()
            place.parent.mkdir(exist_ok=True)
            Path(model.path).rename(place)


def set_latest(tag: str) -> None:
    """Make a stored model the store's latest, which servers switch to."""
    path = Path(_get(tag).path)
    latest = path.parent / "latest"
    # Replaced whole: a server may look at any time.
    unfinished = latest.with_name(f".{path.name}.latest")
    unfinished.write_text(path.name)
    unfinished.replace(latest)


def resolve(tag: str = LATEST) -> str:
    """Return the full tag that a tag stands for now. Raises ModelError."""
    return str(_get(tag).tag)


def tags() -> list[str]:
    """Return the full tags of all stored models, the newest first. What cannot be read is left out."""
    models = []
    for path in (Path(BentoMLContainer.model_store_dir.get()) / MODEL_NAME).glob("*/"):
        with suppress(ModelError):
            models.append(_get(f"{MODEL_NAME}:{path.name}"))
    return [str(model.tag) for model in sorted(models, key=lambda m: m.info.creation_time, reverse=True)]


def load(tag: str = LATEST) -> StoredModel:
    """Verify a model and load what the server needs of it.

    Raises:
        ModelError: it is missing, incomplete, changed since it was saved, or made for another schema.
    """
    stored = _get(tag)
    path = Path(stored.path)
    verify(path)
    try:
        reference = Reference.from_dict(json.loads((path / "reference.json").read_bytes()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"model {stored.tag}: reference.json is not a reference: {error!r}") from error
    if tuple(reference.features) != NAMES:
        raise ModelError(f"model {stored.tag}: reference.json describes other features than {', '.join(NAMES)}")
    model = Model(_parameters(path), reference.outlier_below)
    return StoredModel(str(stored.tag), path, model, reference, dict(stored.info.metadata))


def load_estimator(tag: str = LATEST) -> "GaussianNB":
    """Verify a model and give the scikit-learn object back. Needs the `train` extra.

    Raises:
        ModelError: as `load`.
    """
    import skops.io

    path = Path(_get(tag).path)
    verify(path)
    # Only types that skops itself trusts are built: no `trusted=` list to get wrong.
    estimator: GaussianNB = skops.io.load(path / "estimator.skops")
    return estimator


def verify(path: Path) -> None:
    """Compare a model folder with its manifest and the manifest with the schema.

    Raises:
        ModelError: they differ.
    """
    name = f"model {path.parent.name}:{path.name}"
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
        sums, schema = manifest["sha256"], manifest["schema"]
    except FileNotFoundError:
        raise ModelError(f"{name} has no {MANIFEST}: it was not saved by this project") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{name}: {MANIFEST} is damaged") from error
    if schema != fingerprint():
        raise ModelError(
            f"{name} was trained for another schema than serving/schema.py has: train again with `make train`"
        )
    if not isinstance(sums, dict) or set(sums) != set(FILES):
        raise ModelError(f"{name}: {MANIFEST} does not list exactly {', '.join(FILES)}")
    for file, expected in sums.items():
        if not (path / file).is_file():
            raise ModelError(f"{name} is incomplete: {file} is missing")
        if _sha256(path / file) != expected:
            raise ModelError(f"{name} was changed after it was saved: the sha256 of {file} is not the manifest's")


def _get(tag: str) -> bentoml.Model:
    try:
        with not_importing:
            return bentoml.models.get(tag)
    except NotFound:
        raise ModelError(f"there is no model {tag} in the BentoML model store: make one with `make train`") from None
    except (BentoMLException, YAMLError, ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        why = " ".join(str(error).split())
        raise ModelError(f"model {tag} cannot be read from the BentoML model store: {why}") from error


def _parameters(path: Path) -> Parameters:
    arrays: dict[str, Floats] = {}
    try:
        with np.load(path / "parameters.npz", allow_pickle=False) as file:
            for name, shape in _SHAPES.items():
                arrays[name] = array = file[name]
                if array.dtype != np.float64 or array.shape != shape or not np.isfinite(array).all():
                    raise ValueError(f"{name} is not {shape} finite float64 values")
        if (arrays["var"] <= 0).any():
            raise ValueError("var has a variance that is not above 0")
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"model {MODEL_NAME}:{path.name}: parameters.npz cannot be used: {error}") from error
    return Parameters(**arrays)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
