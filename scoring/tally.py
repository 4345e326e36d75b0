"""What the summary is made of: counts that add up over batches, parts and machines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from serving.model import Floats
from serving.reference import Bins, Reference
from serving.schema import CLASSES, NAMES

Counts = NDArray[np.int64]


class Drift(NamedTuple):
    """How far a column's bins are from the training data's.

    psi: the population stability index.  limit: what chance alone stays below, and what is too small to matter.
    """

    column: str
    psi: float
    limit: float

    @property
    def drifted(self) -> bool:
        return self.psi > self.limit


@dataclass
class Tally:
    """Counts of what was scored.

    labels: of each class.  bins: of each feature's reference bins, then of the bins of the last class's probability.
    """

    rows: int
    rejects: int
    labels: list[int]
    outliers: int
    bins: list[list[int]]

    @classmethod
    def empty(cls, reference: Reference) -> Self:
        return cls(0, 0, [0] * len(CLASSES), 0, [[0] * len(bins.ratios) for bins in _all_bins(reference)])

    def add(self, other: "Tally") -> None:
        self.rows += other.rows
        self.rejects += other.rejects
        self.outliers += other.outliers
        self.labels = _sum(self.labels, other.labels)
        self.bins = [_sum(mine, theirs) for mine, theirs in zip(self.bins, other.bins, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def drift(self, reference: Reference) -> list[Drift]:
        """Compare with the training data by the rule of `serving.reference.Bins`; nothing if no row was good."""
        n = sum(self.labels)
        if not n:
            return []
        columns = (*NAMES, f"probability of {CLASSES[-1]}")
        return [
            Drift(column, bins.psi(counts), bins.limit(n, reference.rows))
            for column, counts, bins in zip(columns, self.bins, _all_bins(reference), strict=True)
        ]


def count(values: Floats, probability: Floats, reference: Reference) -> list[list[int]]:
    """Count n rows into the reference's bins.

    Args:
        values: float64 [d, n].
        probability: float64 [n], of the last class.
    """
    return [
        counted(column, bins.edges) for column, bins in zip([*values, probability], _all_bins(reference), strict=True)
    ]


def counted(values: Floats, edges: Sequence[float]) -> list[int]:
    """Count as `Bins.count` does, fifteen times faster for many values: comparing beats searching."""
    at_least = [len(values), *(int(np.count_nonzero(values >= edge)) for edge in edges), 0]
    return [above - beyond for above, beyond in pairwise(at_least)]


def _all_bins(reference: Reference) -> list[Bins]:
    return [*reference.features.values(), reference.probability]


def _sum(mine: list[int], theirs: list[int]) -> list[int]:
    return [a + b for a, b in zip(mine, theirs, strict=True)]
