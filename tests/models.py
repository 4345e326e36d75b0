"""A small stored model made straight from the schema, for tests that are not about training."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import skops.io
from numpy.typing import NDArray
from sklearn.naive_bayes import GaussianNB

from serving.reference import Bins, Reference
from serving.schema import CLASSES, FEATURES, NAMES, Flag

# What training measures, in its shape.
_SCORES = {"accuracy": 0.9, "auc": 0.95, "log_loss": 0.2, "brier": 0.06, "calibration_error": 0.02}
METRICS = {
    **_SCORES,
    "recall": dict.fromkeys(CLASSES, 0.9),
    "rows": 500,
    "folds": 5,
    "comparisons": {"another_model": {**_SCORES, "accuracy": 0.91}},
}


def plausible_rows(n: int, seed: int = 0) -> NDArray[np.float64]:
    """Return n rows that a client could send, float64 [n, d]: the typical range, on the grid of the measurement."""
    random = np.random.default_rng(seed)
    columns = [
        random.integers(0, 2, n) if isinstance(f, Flag) else random.uniform(*f.typical, n).round(1) for f in FEATURES
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def as_rows(values: NDArray[np.float64]) -> list[dict[str, float]]:
    """Name the values of n rows, float64 [n, d], as the API takes them."""
    return [dict(zip(NAMES, row, strict=True)) for row in values.tolist()]


def fit(seed: int = 0) -> GaussianNB:
    """Fit on rows whose label depends on every feature but the first."""
    rows = plausible_rows(500, seed)
    score = ((rows - rows.mean(axis=0)) / rows.std(axis=0))[:, 1:].sum(axis=1)
    labels = np.array(CLASSES)[(score > np.random.default_rng(seed).normal(0, 1, 500)).astype(int)]
    # A floor under the variance, so that the test does not hinge on a nearly certain model.
    return GaussianNB(var_smoothing=1e-2).fit(rows, labels)


def write_model(folder: Path, estimator: GaussianNB) -> None:
    """Write the files that `serving.store.save` takes."""
    bins = {
        f.name: Bins((0.5,), (0.5, 0.5), 19.5, 0.02)
        if isinstance(f, Flag)
        else Bins((sum(f.typical) / 2,), (0.5, 0.5), 19.5, 0.1)
        for f in FEATURES
    }
    deciles = Bins(tuple(i / 10 for i in range(1, 10)), (0.1,) * 10, 40.0, 0.1)
    reference = Reference(500, bins, deciles, -12.0)
    folder.mkdir(parents=True, exist_ok=True)
    skops.io.dump(estimator, folder / "estimator.skops")
    np.savez(
        folder / "parameters.npz", log_prior=np.log(estimator.class_prior_), mean=estimator.theta_, var=estimator.var_
    )
    (folder / "reference.json").write_text(json.dumps(dataclasses.asdict(reference)))
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    wide = "\n".join([f"|{' a wide column |' * 9}", f"|{'---|' * 9}", f"|{' 0.123456789 |' * 9}"])
    (folder / "card.md").write_text(f"# A model for tests\n\nIts `card`.\n\n## A table\n\n{wide}\n")
