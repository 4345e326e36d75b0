"""The reference: bins that are full, edges off the grid, and few false alarms."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from serving.model import Floats, Model, Parameters
from serving.reference import Bins, Reference
from serving.schema import CLASSES, FEATURES, NAMES, TARGET, Number
from training import settings
from training.binning import bins, make_reference, quantile_edges
from training.builtin import synthesize
from training.dataset import Dataset

RNG = np.random.default_rng(5)
SETTINGS = settings.Reference(bins=10, alpha=1e-5, floor=settings.Floor(number=0.1, flag=0.02), outlier_share=0.005)


@pytest.fixture(scope="module")
def data() -> Dataset:
    frame = synthesize(5000, seed=7)
    codes = np.array([CLASSES.index(label) for label in frame[TARGET]], dtype=np.intp)
    return Dataset(frame[list(NAMES)].astype("float64"), codes)


@pytest.fixture(scope="module")
def model(data: Dataset) -> Model:
    rows = data.features.to_numpy()
    groups = [rows[data.codes == k] for k in range(len(CLASSES))]
    log_prior = np.log([len(group) / len(rows) for group in groups])
    return Model(Parameters(log_prior, np.array([g.mean(0) for g in groups]), np.array([g.var(0) for g in groups])))


@pytest.fixture(scope="module")
def reference(data: Dataset, model: Model) -> Reference:
    return make_reference(data, model, SETTINGS)


def index(of: Bins, values: Floats) -> float:
    """Return the population stability index of live values."""
    live, ratios = np.maximum(of.count(values), 0.5) / len(values), np.array(of.ratios)
    return float(((live - ratios) * np.log(live / ratios)).sum())


def test_ratios_are_shares_of_the_rows(reference: Reference, data: Dataset) -> None:
    assert tuple(reference.features) == NAMES
    assert reference.rows == len(data.codes)
    for name, of in reference.features.items():
        counts = of.count(data.features[name].to_numpy())
        assert counts.all()
        assert np.allclose(counts / len(data.codes), of.ratios)


def test_edges_lie_between_the_values_of_the_grid(reference: Reference) -> None:
    for feature in FEATURES:
        edges = np.array(reference.features[feature.name].edges)
        if isinstance(feature, Number):
            assert len(edges) == SETTINGS.bins - 1
            assert np.allclose(edges / feature.step % 1, 0.5)
        else:
            assert edges.tolist() == [0.5]


def test_probability_is_in_deciles(reference: Reference) -> None:
    assert np.allclose(reference.probability.ratios, 0.1, atol=0.02)


def test_outliers_are_the_share_asked_for(reference: Reference, data: Dataset, model: Model) -> None:
    density = model.score(data.features.to_numpy()).log_density
    assert (density < reference.outlier_below).mean() == pytest.approx(SETTINGS.outlier_share, abs=0.001)


def test_json_and_back(reference: Reference) -> None:
    assert Reference.from_dict(json.loads(json.dumps(asdict(reference)))) == reference


def test_labels_are_distinct(reference: Reference) -> None:
    for of in (*reference.features.values(), reference.probability):
        assert len(set(of.labels)) == len(of.ratios)


def test_same_distribution_raises_no_alarm_and_a_shift_does(reference: Reference, data: Dataset) -> None:
    feature = next(f for f in FEATURES if isinstance(f, Number))
    of, values, n = reference.features[feature.name], data.features[feature.name].to_numpy(), 1000
    alarm = max((1 / n + 1 / reference.rows) * of.chi2, of.floor)
    same = [index(of, RNG.choice(values, n)) for _ in range(200)]
    shifted = [index(of, RNG.choice(values, n) + 0.5 * values.std()) for _ in range(200)]
    assert sum(psi > alarm for psi in same) == 0
    assert sum(psi > alarm for psi in shifted) == 200


def test_ties_make_fewer_bins() -> None:
    values = np.array([1.0] * 90 + [2.0] * 5 + [3.0] * 5)
    edges = quantile_edges(values, 10, step=1.0)
    assert edges == [1.5]


def test_an_edge_stays_within_half_a_step() -> None:
    assert quantile_edges(np.array([1.0, 1.0, 9.0, 9.0]), 2, step=1.0) == [1.5]


def test_neighbours_that_look_alike_are_merged() -> None:
    values = np.array([0.5, 0.99999991, 0.99999992, 0.99999993, 0.99999994, 1.0])
    edges = quantile_edges(values, 6)
    assert len(edges) == len({f"{edge:g}" for edge in edges})
    assert all(np.histogram(values, [-np.inf, *edges, np.inf])[0])


def test_a_constant_column_has_finite_numbers() -> None:
    assert bins(np.ones(100), quantile_edges(np.ones(100), 10, 0.1), 1e-5, 0.1) == Bins((), (1.0,), 0.0, 0.1)
    flag = bins(np.zeros(100), [0.5], 1e-5, 0.02)
    assert flag.ratios == pytest.approx((100 / 100.5, 0.5 / 100.5))
