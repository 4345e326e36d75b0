import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import bentoml
import numpy as np
import pytest
from sklearn.naive_bayes import GaussianNB

from serving import schema, store
from tests.models import plausible_rows, write_model


@pytest.fixture
def stored(estimator: GaussianNB, tmp_path: Path) -> Path:
    """The folder of a stored model that the test may spoil."""
    write_model(tmp_path, estimator)
    tag = store.save(tmp_path, {})
    return Path(bentoml.models.get(tag).path)


@pytest.fixture(autouse=True)
def clean(tag: str) -> Iterator[None]:
    """Leave the store as it was found: the service under test serves its latest."""
    yield
    kept = Path(bentoml.models.get(tag).path)
    for folder in kept.parent.iterdir():
        if folder.is_dir() and folder != kept:
            shutil.rmtree(folder)
    (kept.parent / "latest").write_text(kept.name)


def test_what_is_saved_is_loaded(tag: str, estimator: GaussianNB) -> None:
    loaded = store.load(tag)
    rows = plausible_rows(100)
    assert loaded.tag == tag == store.load().tag
    assert loaded.metadata == {"made_for": "tests"}
    assert np.abs(loaded.model.score(rows).probabilities - estimator.predict_proba(rows)).max() < 1e-12


def test_the_estimator_comes_back_as_a_scikit_learn_object(tag: str, estimator: GaussianNB) -> None:
    again = store.load_estimator(tag)
    rows = plausible_rows(100)
    assert type(again) is GaussianNB
    assert np.array_equal(again.predict_proba(rows), estimator.predict_proba(rows))


def test_a_saved_model_becomes_the_latest(stored: Path) -> None:
    assert store.load().path == stored


def rewrite(path: Path, name: str, content: bytes) -> None:
    """Change a file and its sum in the manifest, as somebody would who knows the format."""
    (path / name).write_bytes(content)
    manifest = json.loads((path / store.MANIFEST).read_text())
    manifest["sha256"][name] = store._sha256(path / name)
    (path / store.MANIFEST).write_text(json.dumps(manifest))


def arrays(path: Path, **changed: object) -> None:
    with np.load(path / "parameters.npz") as file:
        content = {**file, **changed}
    np.savez(path / "parameters.npz", **content)
    rewrite(path, "parameters.npz", (path / "parameters.npz").read_bytes())


SPOILED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed file": (lambda p: (p / "card.md").write_text("other"), "changed after it was saved"),
    "a truncated file": (lambda p: (p / "parameters.npz").write_bytes(b"PK"), "changed after it was saved"),
    "a missing file": (lambda p: (p / "reference.json").unlink(), "incomplete: reference.json"),
    "no manifest": (lambda p: (p / store.MANIFEST).unlink(), "has no manifest.json"),
    "a manifest that is not JSON": (lambda p: (p / store.MANIFEST).write_text("{"), "manifest.json is damaged"),
    "a manifest that is a list": (lambda p: (p / store.MANIFEST).write_text("[]"), "manifest.json is damaged"),
    "a manifest of fewer files": (
        lambda p: (p / store.MANIFEST).write_text(json.dumps({"schema": schema.fingerprint(), "sha256": {}})),
        "does not list exactly",
    ),
    "another schema": (
        lambda p: (p / store.MANIFEST).write_text(json.dumps({"schema": "0", "sha256": {}})),
        "trained for another schema",
    ),
    "a pickle": (lambda p: rewrite(p, "parameters.npz", b"\x80\x04N."), "parameters.npz cannot be used"),
    "a pickle in an array": (lambda p: arrays(p, mean=np.array([None])), "parameters.npz cannot be used"),
    "a value that is not finite": (
        lambda p: arrays(p, log_prior=np.array([0, np.nan])),
        "log_prior is not (2,) finite",
    ),
    "another shape": (lambda p: arrays(p, mean=np.zeros((2, 1))), "mean is not (2, 6)"),
    "another type": (lambda p: arrays(p, mean=np.zeros((2, 6), np.float32)), "mean is not (2, 6) finite float64"),
    "a variance of 0": (lambda p: arrays(p, var=np.zeros((2, 6))), "variance that is not above 0"),
    "a reference that is none": (lambda p: rewrite(p, "reference.json", b"[]"), "reference.json is not a reference"),
    "a damaged model.yaml": (
        lambda p: (p / "model.yaml").write_text("{"),
        "cannot be read from the BentoML model store",
    ),
    "no model.yaml": (lambda p: (p / "model.yaml").unlink(), "cannot be read from the BentoML model store"),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_model_is_refused_in_one_sentence(how: str, stored: Path) -> None:
    spoil, words = SPOILED[how]
    spoil(stored)
    with pytest.raises(store.ModelError) as caught:
        store.load(f"{schema.MODEL_NAME}:{stored.name}")
    assert words in str(caught.value)
    assert stored.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_features_in_the_reference_are_refused(stored: Path) -> None:
    reference = json.loads((stored / "reference.json").read_text())
    reference["features"] = {"other": next(iter(reference["features"].values()))}
    rewrite(stored, "reference.json", json.dumps(reference).encode())
    with pytest.raises(store.ModelError, match="describes other features"):
        store.load()


@pytest.mark.parametrize("wanted", ["gender_classifier:nope", "nobody:latest", "nobody"])
def test_a_model_that_is_not_there_is_missed_with_what_to_do(wanted: str) -> None:
    with pytest.raises(store.ModelError, match="make train"):
        store.load(wanted)


def test_a_tampered_model_gives_no_estimator_either(stored: Path) -> None:
    (stored / "estimator.skops").write_bytes(b"")
    with pytest.raises(store.ModelError, match="changed after it was saved"):
        store.load_estimator()
