"""The mixed naive Bayes is a scikit-learn classifier and has the two parts it promises."""

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.utils.estimator_checks import estimator_checks_generator

from training.mixed import MixedNB

RNG = np.random.default_rng(3)
CODES = np.repeat([0, 1, 2], 50)
NUMBERS = RNG.normal(CODES[:, None], 1.0, (150, 2))
FLAGS = (RNG.random((150, 2)) < 0.2 + 0.3 * CODES[:, None]).astype(float)


CHECKS = list(estimator_checks_generator(MixedNB(), mark="skip"))


@pytest.mark.filterwarnings("ignore")  # the checks warn of what they leave out
@pytest.mark.parametrize(
    ("estimator", "check"), CHECKS, ids=lambda it: getattr(getattr(it, "func", it), "__name__", "")
)
def test_is_a_scikit_learn_classifier(
    estimator: MixedNB, check: Callable[[MixedNB], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without it, the check of array API inputs is left out.
    monkeypatch.setenv("SCIPY_ARRAY_API", "1")
    check(estimator)


def test_only_numbers_is_gaussian() -> None:
    mixed = MixedNB().fit(NUMBERS, CODES)
    assert np.allclose(mixed.predict_proba(NUMBERS), GaussianNB().fit(NUMBERS, CODES).predict_proba(NUMBERS))


def test_only_flags_is_bernoulli() -> None:
    mixed = MixedNB(flags=(0, 1)).fit(FLAGS, CODES)
    assert np.allclose(mixed.predict_proba(FLAGS), BernoulliNB().fit(FLAGS, CODES).predict_proba(FLAGS))


def test_parts_multiply_and_the_prior_counts_once() -> None:
    codes = CODES[20:]  # priors that differ
    rows = np.column_stack([NUMBERS[:, 0], FLAGS[:, 0], NUMBERS[:, 1], FLAGS[:, 1]])[20:]
    mixed = MixedNB(flags=(1, 3)).fit(rows, codes)
    gaussian = GaussianNB().fit(rows[:, [0, 2]], codes).predict_proba(rows[:, [0, 2]])
    bernoulli = BernoulliNB().fit(rows[:, [1, 3]], codes).predict_proba(rows[:, [1, 3]])
    expected = gaussian * bernoulli / (np.bincount(codes) / len(codes))
    assert np.allclose(mixed.predict_proba(rows), expected / expected.sum(axis=1, keepdims=True))
    assert (mixed.predict(rows) == expected.argmax(axis=1)).all()
