"""The embedded data: synthetic rows, drawn from what the schema says of each class.

Every class is equally likely. Given the class the features are independent: a Number is normal with the class's mean
and standard deviation, clipped to its typical range and rounded to its step; a Flag is 1 with the class's share. The
means and shares were taken, class by class and to two digits, from a public data set; no row of it is in here, and
whatever ties its features together within a class is not reproduced.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.model import Floats
from serving.schema import CLASSES, FEATURES, TARGET, Number


def _measure(feature: Number, codes: NDArray[np.intp], rng: np.random.Generator) -> Floats:
    mean, deviation = np.array(feature.by_class)[codes].T
    values = rng.normal(mean, deviation).clip(*feature.typical)
    # The last rounding takes away what a step such as 0.1 adds in binary: 12.700000000000001.
    grid: Floats = np.round(np.round(values / feature.step) * feature.step, 10)
    return grid


def synthesize(rows: int, seed: int) -> pd.DataFrame:
    """Draw rows: the features in the schema's order, float64 and int64, then the label. A seed gives the same rows."""
    rng = np.random.Generator(np.random.PCG64(seed))
    codes = rng.integers(len(CLASSES), size=rows)
    columns: dict[str, object] = {}
    for feature in FEATURES:
        if isinstance(feature, Number):
            columns[feature.name] = _measure(feature, codes, rng)
        else:
            columns[feature.name] = (rng.random(rows) < np.array(feature.by_class)[codes]).astype(np.int64)
    return pd.DataFrame({**columns, TARGET: np.array(CLASSES)[codes]})
