"""Makes the reference that travels inside a model: the training data in fixed bins, and where outliers begin."""

import numpy as np
from scipy.stats import chi2

from serving.model import Floats, Model
from serving.reference import Bins, Reference
from serving.schema import FEATURES, Number
from training.dataset import Dataset
from training.settings import Reference as Settings


def quantile_edges(values: Floats, bins: int, step: float = np.inf) -> list[float]:
    """Cut values into at most `bins` bins of about equal shares.

    An edge lies halfway between two neighbouring values, or half a `step` above the lower one if they are further
    apart, and so never on a value of the grid: rounding moves no measurement over it. Ties make fewer bins.

    Args:
        values: float64 [n], n > 0.

    Returns:
        Edges in increasing order, rounded to six digits as the bins' labels show them. No bin is empty.
    """
    distinct, counts = np.unique(values, return_counts=True)
    reached = counts.cumsum()
    targets = np.arange(1, bins) / bins * reached[-1]
    below = np.unique(reached.searchsorted(targets))
    below = below[below < len(distinct) - 1]
    gaps = np.minimum(distinct[below + 1] - distinct[below], step)
    edges = {float(f"{edge:.6g}") for edge in distinct[below] + gaps / 2}
    # Rounding can push an edge over its neighbours, so that nothing is left between two of them.
    kept: list[float] = []
    for edge in sorted(edges):
        inside = (values < edge) if not kept else (values < edge) & (values >= kept[-1])
        if inside.any() and (values >= edge).any():
            kept.append(edge)
    return kept


def bins(values: Floats, edges: list[float], alpha: float, floor: float) -> Bins:
    """Count values into bins.

    A bin without a row, as of a flag that is always 0, counts half a row: the index divides by the ratio.
    """
    counts = np.maximum(np.histogram(values, [-np.inf, *edges, np.inf])[0], 0.5)
    ratios = tuple(map(float, counts / counts.sum()))
    freedom = len(edges)
    return Bins(tuple(edges), ratios, float(chi2.ppf(1 - alpha, freedom)) if freedom else 0.0, floor)


def make_reference(data: Dataset, model: Model, settings: Settings) -> Reference:
    """Describe the training data.

    Args:
        model: scores the rows for the bins of its probability and for the density that outliers stay below.
    """
    rows = data.features.to_numpy()
    scores = model.score(rows)
    features = {}
    for j, feature in enumerate(FEATURES):
        number = isinstance(feature, Number)
        edges = quantile_edges(rows[:, j], settings.bins, feature.step) if isinstance(feature, Number) else [0.5]
        floor = settings.floor.number if number else settings.floor.flag
        features[feature.name] = bins(rows[:, j], edges, settings.alpha, floor)
    probability = scores.probabilities[:, -1]
    return Reference(
        rows=len(rows),
        features=features,
        probability=bins(
            probability, quantile_edges(probability, settings.bins), settings.alpha, settings.floor.number
        ),
        outlier_below=float(np.quantile(scores.log_density, settings.outlier_share)),
    )
