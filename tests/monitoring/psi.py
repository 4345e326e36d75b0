"""The population stability index by numpy: what the rules in PromQL must say."""

import numpy as np
from numpy.typing import NDArray

from serving.model import Floats
from serving.reference import Bins

MIN_ROWS = 500


def psi(counts: NDArray[np.floating] | NDArray[np.integer], ratios: Floats) -> Floats:
    """Return the index of windows with counts [..., k] against the reference's ratios [k]; [...]."""
    rows = np.maximum(counts, 0.5)
    shares = rows / rows.sum(axis=-1, keepdims=True)
    found: Floats = ((shares - ratios) * np.log(shares / ratios)).sum(axis=-1)
    return found


def threshold(n: float, bins: Bins, reference_rows: int) -> float:
    """Return the index above which n rows alarm."""
    return float(max(bins.floor, (1 / n + 1 / reference_rows) * bins.chi2))
