"""Pure scoring of a Gaussian naive Bayes model for K classes and d features: numpy in, numpy out.

The formulas are those of scikit-learn's GaussianNB (Zhang, "The Optimality of Naive Bayes", FLAIRS 2004):
log p(k) + sum over j of log N(x_j; mean_kj, var_kj). Everything else follows from these terms.
"""

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
        self._p = parameters
        self._outlier_below = outlier_below
        self._half_precision = 0.5 / parameters.var  # [K, d]
        self._constant = parameters.log_prior - 0.5 * np.log(2 * np.pi * parameters.var).sum(axis=1)  # [K]

    def _log_joint(self, rows: Floats) -> Floats:
        """Return log p(row, class), [n, K].

        Differences from the mean are squared rather than the square multiplied out: a nearly constant feature has
        a variance near 0, and x*x/var - 2*x*mean/var would cancel to noise. And einsum rather than a matrix product:
        BLAS rounds a row otherwise in a batch than alone.
        """
        out = np.empty((len(rows), len(self._constant)))
        for k, mean in enumerate(self._p.mean):
            deviation = rows - mean
            deviation *= deviation
            out[:, k] = self._constant[k] - np.einsum("ij,j->i", deviation, self._half_precision[k])
        return out

    def score(self, rows: Floats) -> Scores:
        """Score rows, float64 [n, d], n may be 0."""
        joint = self._log_joint(rows)
        top = joint.max(axis=1, initial=-np.inf)
        probabilities = np.exp(joint - top[:, None])
        total = probabilities.sum(axis=1)
        probabilities /= total[:, None]
        log_density = top + np.log(total)
        return Scores(joint.argmax(axis=1), probabilities, log_density, log_density < self._outlier_below)

    def terms(self, row: Floats, of: int = -1, against: int = 0) -> Terms:
        """Split the log-odds of class `of` against class `against` for one row, float64 [d].

        Returns contributions [d] in natural logarithms: log N(x_j; of) - log N(x_j; against).
        """
        mean, var = self._p.mean, self._p.var
        log_normal = -0.5 * np.log(2 * np.pi * var) - 0.5 * (row - mean) ** 2 / var  # [K, d]
        contributions = log_normal[of] - log_normal[against]
        prior = float(self._p.log_prior[of] - self._p.log_prior[against])
        return Terms(prior, contributions, prior + float(contributions.sum()))
