import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.naive_bayes import GaussianNB

from serving.model import Floats, Model, Parameters
from tests.models import fit, plausible_rows

seeds = st.integers(0, 2**32 - 1)


def random_estimator(seed: int, classes: int, features: int) -> GaussianNB:
    random = np.random.default_rng(seed)
    labels = np.arange(40 * classes) % classes
    centres = random.normal(0, 2, (classes, features))
    return GaussianNB().fit(centres[labels] + random.normal(0, random.uniform(0.1, 3), (len(labels), features)), labels)


def of(estimator: GaussianNB, outlier_below: float = -np.inf) -> Model:
    return Model(Parameters(np.log(estimator.class_prior_), estimator.theta_, estimator.var_), outlier_below)


@given(seeds, st.integers(2, 5), st.integers(1, 8))
def test_probabilities_are_those_of_scikit_learn_for_any_number_of_classes(
    seed: int, classes: int, features: int
) -> None:
    estimator = random_estimator(seed, classes, features)
    rows = np.random.default_rng(seed + 1).normal(0, 4, (100, features))
    scores = of(estimator).score(rows)
    assert np.abs(scores.probabilities - estimator.predict_proba(rows)).max() < 1e-12
    assert np.array_equal(scores.label, estimator.predict(rows))
    assert np.allclose(
        scores.log_density, np.logaddexp.reduce(estimator.predict_joint_log_proba(rows), axis=1), rtol=1e-12
    )


def test_a_nearly_constant_feature_does_not_cancel_to_noise() -> None:
    rows = plausible_rows(200)
    rows[:, 0] = 1
    estimator = GaussianNB(var_smoothing=1e-12).fit(rows, np.arange(200) % 2)
    assert np.abs(of(estimator).score(rows).probabilities - estimator.predict_proba(rows)).max() < 1e-12


@given(seeds, st.integers(2, 4))
def test_the_terms_add_up_to_the_log_odds_that_the_probabilities_have(seed: int, classes: int) -> None:
    estimator = random_estimator(seed, classes, 3)
    model = of(estimator)
    row = np.random.default_rng(seed).normal(0, 2, 3)
    joint = estimator.predict_joint_log_proba(row[None])[0]
    for target in range(1, classes):
        terms = model.terms(row, target)
        assert terms.prior + terms.contributions.sum() == terms.log_odds
        assert np.isclose(terms.log_odds, joint[target] - joint[0], rtol=1e-9, atol=1e-9)


def test_a_row_below_the_density_threshold_is_an_outlier() -> None:
    rows: Floats = plausible_rows(100)
    density = of(fit()).score(rows).log_density
    threshold = float(np.median(density))
    assert np.array_equal(of(fit(), threshold).score(rows).outlier, density < threshold)


def test_no_rows_give_no_scores() -> None:
    scores = of(fit()).score(plausible_rows(0))
    assert [len(part) for part in scores] == [0, 0, 0, 0]
    assert scores.probabilities.shape == (0, 2)


@given(seeds, st.integers(2, 5), st.integers(1, 12))
def test_a_row_scores_the_same_alone_and_among_others(seed: int, classes: int, features: int) -> None:
    rows = np.random.default_rng(seed).normal(0, 4, (50, features))
    model = of(random_estimator(seed, classes, features), outlier_below=-10.0)
    together = model.score(rows)
    for i, row in enumerate(rows):
        alone, one = model.score(row[None]), model.score_one(row.tolist())
        assert [part[0].tolist() for part in alone] == [part[i].tolist() for part in together] == list(one)
