"""The gate refuses what is worse and accepts what is not; how often it errs, over 200 draws."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from serving.model import Floats, Model, Parameters
from serving.schema import CLASSES, FEATURES, NAMES, TARGET, Flag, Number
from training import settings
from training.builtin import synthesize
from training.dataset import Dataset
from training.gate import Verdict, judge

PARAMS = settings.load(Path(__file__).parents[2] / "params.yaml")
DRAWS = 200
# What the embedded data leaves: 3,500 rows to train on and 1,500 held out.
HELD = round(PARAMS.data.rows * PARAMS.gate.holdout)
TRAINED = PARAMS.data.rows - HELD


def dataset(frame: pd.DataFrame) -> Dataset:
    codes = np.array(pd.Categorical(frame[TARGET], categories=list(CLASSES)).codes, dtype=np.intp)
    return Dataset(frame[list(NAMES)].astype(np.float64), codes)


def draw(rows: int, seed: int) -> Dataset:
    return dataset(synthesize(rows, seed))


def fit(data: Dataset) -> Parameters:
    model = GaussianNB(var_smoothing=0.1).fit(data.features.to_numpy(), data.codes)
    return Parameters(np.log(model.class_prior_), model.theta_, model.var_)


def predictor(parameters: Parameters) -> Callable[[Floats], Floats]:
    model = Model(parameters)
    return lambda rows: model.score(rows).probabilities


def verdict(challenger: Parameters, champion: Parameters | None, held: Dataset) -> Verdict:
    return judge(predictor(challenger), predictor(champion) if champion else None, held, PARAMS.gate)


def failed(found: Verdict) -> list[str]:
    return [check.name for check in found.checks if not check.passed]


@pytest.fixture(scope="module")
def champion() -> Parameters:
    return fit(draw(TRAINED, 1))


@pytest.fixture(scope="module")
def held() -> Dataset:
    return draw(HELD, 2)


def shuffled(data: Dataset) -> Dataset:
    return replace(data, codes=np.random.default_rng(0).permutation(data.codes))


def fifty(data: Dataset) -> Dataset:
    return Dataset(data.features[:50], data.codes[:50])


def rare(data: Dataset) -> Dataset:
    """Keep of the first class only so many rows that it has 5 % of all."""
    some, others = np.flatnonzero(data.codes == 0), np.flatnonzero(data.codes != 0)
    kept = np.concatenate([some[: len(others) * 5 // 95], others])
    return Dataset(data.features.iloc[kept], data.codes[kept])


def shifted(data: Dataset) -> Dataset:
    """Measure the first number one standard deviation too wide."""
    name = next(feature.name for feature in FEATURES if isinstance(feature, Number))
    values = data.features[name]
    return replace(data, features=data.features.assign(**{name: values + values.std()}))


@pytest.mark.parametrize("spoil", [shuffled, fifty, rare, shifted])
def test_a_spoilt_challenger_is_refused(
    spoil: Callable[[Dataset], Dataset], champion: Parameters, held: Dataset
) -> None:
    assert failed(verdict(fit(spoil(draw(TRAINED, 3))), champion, held))


def test_shuffled_labels_are_refused_without_a_champion_too(held: Dataset) -> None:
    assert "log-loss surely below guessing's by" in failed(verdict(fit(shuffled(draw(TRAINED, 3))), None, held))


def test_an_equal_one_a_better_one_and_the_first_are_accepted(champion: Parameters, held: Dataset) -> None:
    assert failed(verdict(champion, champion, held)) == []
    assert failed(verdict(fit(draw(TRAINED, 4)), champion, held)) == []
    assert failed(verdict(champion, fit(fifty(draw(TRAINED, 3))), held)) == []
    assert failed(verdict(champion, None, held)) == []


def test_too_small_a_holdout_decides_nothing(champion: Parameters, held: Dataset) -> None:
    assert "hold-out rows" in failed(verdict(champion, champion, fifty(held)))


def changed(parameters: Parameters, feature: int, mean: Floats) -> Parameters:
    means = parameters.mean.copy()
    means[:, feature] = mean
    return replace(parameters, mean=means)


def test_a_model_must_behave_as_the_schema_says(champion: Parameters, held: Dataset) -> None:
    flag = next(j for j, f in enumerate(FEATURES) if isinstance(f, Flag) and f.irrelevant)
    number = next(j for j, f in enumerate(FEATURES) if isinstance(f, Number) and f.monotone)
    leaning = changed(champion, flag, np.linspace(0.2, 0.8, len(CLASSES)))
    assert f"probability moved by flipping {NAMES[flag]}" in failed(verdict(leaning, None, held))
    backwards = changed(champion, number, champion.mean[::-1, number])
    assert f"log-odds going back as {NAMES[number]} goes to {CLASSES[-1]}'s" in failed(verdict(backwards, None, held))


def test_a_bad_slice_is_refused(champion: Parameters, held: Dataset) -> None:
    flag = next(j for j, f in enumerate(FEATURES) if isinstance(f, Flag) and f.slice)
    good = predictor(champion)

    def guesses_where_it_is_0(rows: Floats) -> Floats:
        return np.where(rows[:, [flag]] == 0, 1 / len(CLASSES), good(rows))

    found = judge(guesses_where_it_is_0, None, held, PARAMS.gate)
    assert f"accuracy where {NAMES[flag]} is 0, below the whole by" in failed(found)


def test_overconfidence_and_a_forgotten_class_are_refused(champion: Parameters, held: Dataset) -> None:
    assert "calibration error" in failed(verdict(replace(champion, var=champion.var / 50), None, held))
    forgotten = replace(champion, log_prior=np.log([1e-6, *[1 - 1e-6] * (len(CLASSES) - 1)]))
    assert f"recall of {CLASSES[0]}" in failed(verdict(forgotten, None, held))


def test_the_table_shows_every_check_and_the_verdict_is_plain_data(champion: Parameters, held: Dataset) -> None:
    found = verdict(fit(shuffled(draw(TRAINED, 3))), champion, held)
    lines = found.table().splitlines()
    assert len(lines) == len(found.checks) + 1
    assert "FAILED" in found.table()
    assert found.as_dict()["passed"] is False


def test_rows_stay_on_their_side_of_the_split() -> None:
    data = draw(2000, 5)
    train, held = data.split(0.3)
    again = Dataset(data.features[:1000], data.codes[:1000]).split(0.3)[1]
    rows = {tuple(row) for row in held.features.to_numpy()}
    assert not rows & {tuple(row) for row in train.features.to_numpy()}
    assert {tuple(row) for row in again.features.to_numpy()} <= rows
    assert len(held.codes) / 2000 == pytest.approx(0.3, abs=0.05)


def worse_by_a_point(parameters: Parameters, world: Dataset) -> Parameters:
    """Lean towards the last class until the accuracy in the world is a point lower."""
    rows = world.features.to_numpy()

    def leaning(by: float) -> Parameters:
        return replace(parameters, log_prior=parameters.log_prior + by * np.arange(len(CLASSES)))

    def accuracy(one: Parameters) -> float:
        return float((predictor(one)(rows).argmax(axis=1) == world.codes).mean())

    target, low, high = accuracy(parameters) - 0.01, 0.0, 10.0
    for _ in range(15):
        middle = (low + high) / 2
        low, high = (middle, high) if accuracy(leaning(middle)) > target else (low, middle)
    return leaning(high)


@pytest.mark.slow
def test_how_often_the_gate_is_wrong() -> None:
    world = draw(50_000, 10**6)
    least = {"a point worse": 0.8, "shuffled": 1.0, "fifty": 0.9, "rare": 1.0, "shifted": 0.85}
    refused = dict.fromkeys(["equal", "better", *least], 0)
    for seed in range(DRAWS):
        champion, data = fit(draw(TRAINED, 3 * seed)), draw(TRAINED, 3 * seed + 1)
        held = draw(HELD, 3 * seed + 2)
        refused["equal"] += not verdict(fit(data), champion, held).passed
        refused["better"] += not verdict(champion, fit(fifty(data)), held).passed
        refused["a point worse"] += not verdict(worse_by_a_point(champion, world), champion, held).passed
        for spoil in (shuffled, fifty, rare, shifted):
            refused[spoil.__name__] += not verdict(fit(spoil(data)), champion, held).passed
    print(refused)
    assert refused["equal"] <= 0.05 * DRAWS
    assert refused["better"] <= 0.05 * DRAWS
    assert all(refused[name] >= share * DRAWS for name, share in least.items())
