"""Pure scoring of a Gaussian naive Bayes model for K classes and d features: numpy in, numpy out.

The formulas are those of scikit-learn's GaussianNB (Zhang, "The Optimality of Naive Bayes", FLAIRS 2004):
log p(k) + sum over j of log N(x_j; mean_kj, var_kj). Everything else follows from these terms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Scores(NamedTuple):
    """What is known about n rows.

    label: int [n], index into the classes.  probabilities: float [n, K], each row sums to 1.
    log_density: float [n], natural logarithm of the mixture's density.  outlier: bool [n].
    """

    label: NDArray[np.intp]
    probabilities: Floats
    log_density: Floats
    outlier: NDArray[np.bool_]


class Score(NamedTuple):
    """`Scores` of one row in plain Python: probabilities has K floats."""

    label: int
    probabilities: list[float]
    log_density: float
    outlier: bool


class Terms(NamedTuple):
    """The exact parts of one row's log-odds: prior + contributions.sum() = log_odds."""

    prior: float
    contributions: Floats
    log_odds: float


@dataclass(frozen=True, slots=True)
class Parameters:
    """What training leaves behind: log_prior [K], mean [K, d], var [K, d] in squared units."""

    log_prior: Floats
    mean: Floats
    var: Floats


class Model:
    """Scores rows with fixed parameters. Immutable, so safe to share and to swap.

    Args:
        outlier_below: log density under which a row counts as unlike the training data.
    """

    def __init__(self, parameters: Parameters, outlier_below: float = -np.inf) -> None:
        self.parameters = parameters
        self._outlier_below = outlier_below
        half_precision = 0.5 / parameters.var
        constant = parameters.log_prior - 0.5 * np.log(2 * np.pi * parameters.var).sum(axis=1)
        # For many rows: [K, d, 1] and [K, 1], against rows as [d, n].
        self._mean, self._half_precision = parameters.mean[:, :, None], half_precision[:, :, None]
        self._constant = constant[:, None]
        # For one row: by class the constant and, by feature, mean and half precision.
        pairs = np.stack((parameters.mean, half_precision), axis=2).tolist()
        self._classes: list[tuple[float, list[list[float]]]] = list(zip(constant.tolist(), pairs, strict=True))

    def score(self, rows: Floats) -> Scores:
        """Score rows, float64 [n, d], n may be 0.

        Differences from the mean are squared rather than the square multiplied out: a nearly constant feature has
        a variance near 0, and x*x/var - 2*x*mean/var would cancel to noise. And sums are taken term by term: a matrix
        product or einsum rounds a row otherwise in a batch than alone.
        """
        terms = rows.T - self._mean  # [K, d, n]
        terms *= terms
        terms *= self._half_precision
        joint = self._constant - _sum(terms.swapaxes(0, 1))  # log p(row, class), [K, n]
        top = joint.max(axis=0)
        weights = np.exp(joint - top)
        total = _sum(weights)
        weights /= total
        log_density = top + np.log(total)
        return Scores(joint.argmax(axis=0), weights.T, log_density, log_density < self._outlier_below)

    def score_one(self, row: Sequence[float]) -> Score:
        """Score one row, d floats: the same numbers as `score` to the last bit, in a tenth of the time."""
        joint = []
        for constant, features in self._classes:
            total = 0.0
            for value, (mean, half_precision) in zip(row, features, strict=True):
                deviation = value - mean
                total += deviation * deviation * half_precision
            joint.append(constant - total)
        top = max(joint)
        # numpy's exp and log, because those of the C library differ from them in the last bit.
        weights = [1.0 if each == top else float(np.exp(each - top)) for each in joint]
        total = 0.0
        for weight in weights:
            total += weight
        log_density = top + float(np.log(total))
        return Score(
            joint.index(top), [weight / total for weight in weights], log_density, log_density < self._outlier_below
        )

    def terms(self, row: Floats, of: int = -1, against: int = 0) -> Terms:
        """Split the log-odds of class `of` against class `against` for one row, float64 [d].

        Returns contributions [d] in natural logarithms: log N(x_j; of) - log N(x_j; against).
        """
        mean, var = self.parameters.mean, self.parameters.var
        log_normal = -0.5 * np.log(2 * np.pi * var) - 0.5 * (row - mean) ** 2 / var  # [K, d]
        contributions = log_normal[of] - log_normal[against]
        prior = float(self.parameters.log_prior[of] - self.parameters.log_prior[against])
        return Terms(prior, contributions, prior + float(contributions.sum()))


def _sum(parts: Floats) -> Floats:
    """Add the parts, [m, ...], one after the other; numpy's own sum has no fixed order."""
    total: Floats = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
