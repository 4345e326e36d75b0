"""What the sweep tries: GaussianNB at several var_smoothing, and two models beside it for comparison."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from serving.model import Floats
from serving.schema import CLASSES, FEATURES, Flag
from training.dataset import Dataset
from training.mixed import MixedNB


class Classifier(Protocol):
    """The part of a scikit-learn classifier that is used here."""

    classes_: NDArray[np.generic]

    def fit(self, rows: pd.DataFrame, codes: NDArray[np.generic], /) -> object: ...
    def predict(self, rows: pd.DataFrame, /) -> NDArray[np.generic]: ...
    def predict_proba(self, rows: pd.DataFrame, /) -> Floats: ...
    def get_params(self) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """An estimator, not fitted, and what it is called in MLflow and in the reports."""

    name: str
    estimator: Classifier


def gaussian(var_smoothing: float) -> Candidate:
    return Candidate(f"gaussian_nb {var_smoothing:g}", GaussianNB(var_smoothing=var_smoothing))


def comparisons() -> tuple[Candidate, ...]:
    flags = tuple(j for j, feature in enumerate(FEATURES) if isinstance(feature, Flag))
    return (
        Candidate("logistic_regression", LogisticRegression(solver="newton-cholesky")),
        Candidate("mixed_nb", MixedNB(flags=flags)),
    )


def candidates(var_smoothing: Iterable[float]) -> tuple[Candidate, ...]:
    return (*map(gaussian, var_smoothing), *comparisons())


def fit(candidate: Candidate, data: Dataset) -> Classifier:
    """Fit on all rows. The result predicts labels, and its classes stand in the order of `CLASSES`.

    scikit-learn sorts the labels it is given. The codes are sorted as `CLASSES` is, so they are what it is fitted on,
    and the labels take their place afterwards: `predict` looks them up in `classes_`.
    """
    estimator: Classifier = clone(candidate.estimator)
    estimator.fit(data.features, data.codes)
    estimator.classes_ = np.array(CLASSES)
    return estimator
