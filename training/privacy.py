"""Whether synthetic rows are copies of the real ones they were fitted on, measured beside rows that cannot be."""

import numpy as np
from scipy.spatial import KDTree

from serving.model import Floats
from serving.schema import FEATURES, Number

# Every length lies on a grid: what is nearer than this is the same row.
_SAME = 1e-6


def scaled(rows: Floats) -> Floats:
    """Divide lengths by their standard deviation over the classes of the schema, so that a flag weighs as one of it."""
    scale = [np.mean([deviation for _, deviation in f.by_class]) if isinstance(f, Number) else 1.0 for f in FEATURES]
    result: Floats = rows / np.array(scale)
    return result


def privacy(rows: Floats, fitted_on: Floats) -> dict[str, float]:
    """Compare rows, [n, d], with the real rows that a generator was fitted on, [m, d].

    Returns:
        exact_matches: share of the rows that equal a fitted one; distance_mean and distance_5pct: of the distance to
        the closest fitted row, in standard deviations, the mean and the lowest twentieth's limit.
        A generator that copies has more matches and shorter distances than real rows it never saw.
    """
    distance = KDTree(scaled(fitted_on)).query(scaled(rows))[0]
    return {
        "exact_matches": float((distance < _SAME).mean()),
        "distance_mean": float(distance.mean()),
        "distance_5pct": float(np.quantile(distance, 0.05)),
    }
