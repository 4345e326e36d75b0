import dataclasses
import json

import numpy as np

from serving.reference import MIN_ROWS, Bins, Reference
from tests.monitoring import psi as expected


def test_a_bin_holds_its_lower_edge_and_not_its_upper_one() -> None:
    bins = Bins((1.0, 2.0), (0.2, 0.3, 0.5), 27.6, 0.1)
    assert bins.count(np.array([-9.0, 0.99, 1.0, 1.5, 2.0, 99.0])).tolist() == [2, 2, 2]
    assert bins.count(np.array([])).tolist() == [0, 0, 0]
    assert bins.labels == ("(-inf, 1)", "[1, 2)", "[2, inf)")


def test_many_values_are_counted_as_each_alone() -> None:
    bins = Bins((1.0, 2.0, 4.5), (0.25,) * 4, 27.6, 0.1)
    values = np.random.default_rng(1).uniform(0, 6, 2000).round(1)
    alone = np.bincount([bins.index(value) for value in values.tolist()])
    assert bins.count(values).tolist() == alone.tolist()
    assert (bins.count(values[:100]) + bins.count(values[100:200])).tolist() == np.bincount(
        [bins.index(value) for value in values[:200].tolist()], minlength=4
    ).tolist()


def test_a_reference_survives_json() -> None:
    bins = Bins((0.1 + 0.2,), (0.25, 0.75), 19.5, 0.02)
    reference = Reference(500, {"a": bins}, bins, -7.25)
    assert Reference.from_dict(json.loads(json.dumps(dataclasses.asdict(reference)))) == reference


def test_drift_is_what_the_alerts_say() -> None:
    assert MIN_ROWS == expected.MIN_ROWS
    bins = Bins((1.0, 2.0), (0.2, 0.3, 0.5), 27.6, 0.1)
    for counts in ([20, 30, 50], [80, 20, 0], [0, 0, 3]):
        assert np.isclose(bins.psi(counts), expected.psi(np.array(counts), np.array(bins.ratios)))
    for n in (10, 500, 1_000_000):
        assert np.isclose(bins.limit(n, 400), expected.threshold(n, bins, 400))
    assert bins.limit(1_000_000, 1_000_000) == 0.1
