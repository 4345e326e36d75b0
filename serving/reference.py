"""What the training data looked like, in fixed bins: made once at training, carried inside the model."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from serving.model import Floats

# Fewer live rows are not judged: `monitoring/prometheus/rules/model.yml` has the same.
MIN_ROWS = 500
_FEW = 500


@dataclass(frozen=True)
class Bins:
    """k bins of one column: bin i holds edges[i-1] <= value < edges[i], the first and the last are open.

    Args:
        edges: k - 1 increasing values in the column's unit.
        ratios: k shares of the training rows, their sum is 1.
        chi2: the 1 - alpha quantile of chi-square with k - 1 degrees of freedom. The population stability index of n
            rows drawn from the training distribution stays under (1/n + 1/reference rows) * chi2 with probability
            1 - alpha (Yurdakul & Naranjo, "Statistical properties of the population stability index", 2020).
        floor: a population stability index below it is too small to matter, however certain it is.
    """

    edges: tuple[float, ...]
    ratios: tuple[float, ...]
    chi2: float
    floor: float

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Name each bin by its interval, as in `[12.45, 13.15)`."""
        bounds = ["(-inf", *(f"[{edge:.6g}" for edge in self.edges)]
        return tuple(f"{low}, {high:.6g})" for low, high in zip(bounds, (*self.edges, float("inf")), strict=True))

    @cached_property
    def _edges(self) -> Floats:
        return np.array(self.edges)

    def count(self, values: Floats) -> NDArray[np.intp]:
        """Return how many of the values, float64 [n], fall into each bin, int [k]."""
        if len(values) < _FEW:
            return np.bincount(self._edges.searchsorted(values, side="right"), minlength=len(self.ratios))
        # A comparison with each edge is then several times faster than a search for each value.
        return -np.diff([len(values), *(np.count_nonzero(values >= edge) for edge in self.edges), 0])

    def index(self, value: float) -> int:
        """Return the bin that a value falls into."""
        return bisect_right(self.edges, value)

    def psi(self, counts: Sequence[int]) -> float:
        """Return the population stability index of live rows, k counts. An empty bin counts half a row."""
        live = np.maximum(np.array(counts, float), 0.5)
        live /= live.sum()
        expected = np.array(self.ratios)
        return float(((live - expected) * np.log(live / expected)).sum())

    def limit(self, n: int, reference_rows: int) -> float:
        """Return the index above which n live rows have drifted: chance explains less, and less would not matter."""
        return max((1 / n + 1 / reference_rows) * self.chi2, self.floor)


@dataclass(frozen=True)
class Reference:
    """The training data in bins.

    Args:
        rows: how many there were.
        features: bins by feature name, in the schema's order.
        probability: bins of the probability of the last class: deciles of the training data.
        outlier_below: the log density that the share `outlier_share` of the training rows is below.
    """

    rows: int
    features: dict[str, Bins]
    probability: Bins
    outlier_below: float

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """Build from what `json.load` returns of a `dataclasses.asdict`."""

        def bins(b: dict[str, Any]) -> Bins:
            return Bins(
                tuple(map(float, b["edges"])), tuple(map(float, b["ratios"])), float(b["chi2"]), float(b["floor"])
            )

        features = {name: bins(b) for name, b in data["features"].items()}
        return cls(int(data["rows"]), features, bins(data["probability"]), float(data["outlier_below"]))
