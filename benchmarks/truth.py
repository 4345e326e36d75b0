"""What every peer serves and must answer: rows, the parameters of the model in the store, and its probabilities."""

import json
from pathlib import Path

import numpy as np

from serving import store
from serving.schema import CLASSES, MAX_ROWS, NAMES
from training.builtin import synthesize


def write(folder: Path) -> None:
    """Write rows.npy [n, d], probabilities.npy [n, K] and model.json.

    Raises:
        ModelError: there is no model in the store.
    """
    stored = store.load()
    # Row after row in memory, as clients send them.
    rows = np.ascontiguousarray(synthesize(MAX_ROWS, seed=1)[list(NAMES)].to_numpy(np.float64))
    np.save(folder / "rows.npy", rows)
    np.save(folder / "probabilities.npy", stored.model.score(rows).probabilities)
    with np.load(stored.path / "parameters.npz", allow_pickle=False) as parameters:
        arrays = {name: parameters[name].tolist() for name in ("log_prior", "mean", "var")}
    (folder / "model.json").write_text(json.dumps({"features": NAMES, "classes": CLASSES, **arrays}))
