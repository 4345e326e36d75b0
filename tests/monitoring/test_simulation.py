"""How often the drift rule is wrong, over 2,000 windows of 500 rows."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from serving.model import Floats
from serving.reference import Bins
from serving.schema import FEATURES, NAMES, Number
from tests.monitoring.psi import MIN_ROWS, psi, threshold
from training import settings
from training.binning import bins, quantile_edges
from training.builtin import synthesize

pytestmark = pytest.mark.slow
WINDOWS = 2000


def reference(rows: Floats) -> Iterator[Bins]:
    """Yield each feature's bins as training makes them."""
    params = settings.load().reference
    for feature, column in zip(FEATURES, rows.T, strict=True):
        number = isinstance(feature, Number)
        edges = quantile_edges(column, params.bins, feature.step) if isinstance(feature, Number) else [0.5]
        yield bins(column, edges, params.alpha, params.floor.number if number else params.floor.flag)


def alarms(windows: Floats, each: Bins, rows: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]":
    """Tell which windows, [w, n] of one feature, alarm."""
    counts = np.stack([each.count(window) for window in windows])
    return psi(counts, np.array(each.ratios)) > threshold(windows.shape[1], each, rows)


def false_share(windows: Floats, known: Floats, made: Sequence[Bins]) -> float:
    """Return the share of windows, [w, n, d], in which any feature alarms. `made`: the reference of the known rows."""
    found = [alarms(windows[:, :, j], each, len(known)) for j, each in enumerate(made)]
    return float(np.any(found, axis=0).mean())


def caught(windows: Floats, known: Floats, made: Sequence[Bins], deviations: float) -> list[float]:
    """Return, for each number, the share of windows that alarm when it is shifted by so many standard deviations."""
    return [
        float(alarms(windows[:, :, j] + deviations * known[:, j].std(), each, len(known)).mean())
        for j, each in enumerate(made)
        if isinstance(FEATURES[j], Number)
    ]


def test_on_real_rows(gender_csv: Path) -> None:
    rows = pd.read_csv(gender_csv)[list(NAMES)].to_numpy(dtype=np.float64)
    random = np.random.default_rng(0)
    false, missed = 0, 0
    for _ in range(WINDOWS):
        # Each time other rows are the window, and the rest is what training knew.
        order = random.permutation(len(rows))
        window, known = rows[None, order[:MIN_ROWS]], rows[order[MIN_ROWS:]]
        made = list(reference(known))
        false += false_share(window, known, made) > 0
        missed += min(caught(window, known, made, 0.3)) < 1
    assert false / WINDOWS <= 0.001
    assert missed / WINDOWS <= 0.01


def test_on_embedded_rows() -> None:
    known = synthesize(5000, seed=7)[list(NAMES)].to_numpy(dtype=np.float64)
    rows = synthesize(WINDOWS * MIN_ROWS, seed=8)[list(NAMES)].to_numpy(dtype=np.float64)
    windows = rows.reshape(WINDOWS, MIN_ROWS, len(NAMES))
    made = list(reference(known))
    assert false_share(windows, known, made) <= 0.001
    # Nearly normal columns hide a shift of .3 from any test of 500 rows that alarms this seldom: a test of the mean
    # itself, at one false alarm in 100,000, would catch 98 %.
    assert min(caught(windows, known, made, 0.5)) >= 0.99
