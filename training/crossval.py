"""Grouped, stratified cross-validation: rows with equal features stay in one fold, so none is tested on its twin."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold

from serving.model import Floats
from serving.schema import CLASSES
from training.candidates import Classifier
from training.dataset import Dataset
from training.stage import TrainingError


class Fold(NamedTuple):
    """Positions of the rows, int."""

    train: NDArray[np.intp]
    test: NDArray[np.intp]


def split(data: Dataset, folds: int, seed: int) -> list[Fold]:
    """Split the rows into folds.

    Raises:
        TrainingError: so many rows are equal that a fold would be trained without one of the classes.
    """
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    made = [Fold(*fold) for fold in splitter.split(data.features, data.codes, data.groups)]
    for fold in made:
        if not fold.test.size or len(np.unique(data.codes[fold.train])) < len(CLASSES):
            raise TrainingError(
                f"too few distinct rows for {folds} folds: give more rows or lower train.folds in params.yaml"
            )
    return made


def out_of_fold(
    estimator: Classifier, data: Dataset, folds: list[Fold], fitted: Callable[[], object] = lambda: None
) -> Floats:
    """Predict every row by a model that has not seen it.

    Args:
        fitted: called after each fit, for a progress bar.

    Returns:
        Probabilities, float64 [n, K].
    """
    probabilities = np.empty((len(data.codes), len(CLASSES)))
    for train, test in folds:
        model: Classifier = clone(estimator)
        model.fit(data.features.iloc[train], data.codes[train])
        probabilities[test] = model.predict_proba(data.features.iloc[test])
        fitted()
    return probabilities
