# ruff: noqa: N803 - X is what every scikit-learn estimator calls its rows
"""Naive Bayes with the right distribution for each kind of feature: normal for numbers, Bernoulli for flags."""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from serving.model import Floats


class MixedNB(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """GaussianNB on the numbers and BernoulliNB on the flags, tied by their common prior.

    Args:
        flags: positions of the columns that hold 0 or 1; the others are numbers.
        var_smoothing: of the Gaussian part.
        alpha: of the Bernoulli part, additive.
    """

    def __init__(self, flags: Sequence[int] = (), var_smoothing: float = 1e-9, alpha: float = 1.0) -> None:
        self.flags = flags
        self.var_smoothing = var_smoothing
        self.alpha = alpha

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:
        rows, y = validate_data(self, X, y)
        check_classification_targets(y)
        flag = np.isin(np.arange(rows.shape[1]), list(self.flags))
        parts = [(GaussianNB(var_smoothing=self.var_smoothing), ~flag), (BernoulliNB(alpha=self.alpha), flag)]
        self.parts_ = [(part.fit(rows[:, columns], y), columns) for part, columns in parts if columns.any()]
        self.classes_, counts = np.unique(y, return_counts=True)
        self.class_log_prior_ = np.log(counts / counts.sum())
        return self

    def predict_joint_log_proba(self, X: ArrayLike) -> Floats:
        """Return log p(row, class), [n, K]."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False)
        # Each part counts the prior once.
        joint = [
            part.predict_joint_log_proba(rows[:, columns]) - self.class_log_prior_ for part, columns in self.parts_
        ]
        total: Floats = np.sum(joint, axis=0) + self.class_log_prior_
        return total

    def predict_proba(self, X: ArrayLike) -> Floats:
        joint = self.predict_joint_log_proba(X)
        joint = np.exp(joint - joint.max(axis=1, keepdims=True))
        probabilities: Floats = joint / joint.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: ArrayLike) -> NDArray[np.generic]:
        best = self.predict_joint_log_proba(X).argmax(axis=1)
        labels: NDArray[np.generic] = self.classes_[best]
        return labels
