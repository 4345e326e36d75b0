"""The gate: whether a challenger may take the champion's place, decided on rows that neither was trained on.

A pure function of predictions, so that its error rates can be simulated: tests/training/test_gate.py has them.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from serving.model import Floats
from serving.schema import CLASSES, FEATURES, Flag, Number
from training import settings
from training.dataset import Dataset
from training.scores import calibration_error

Predict = Callable[[Floats], Floats]
"""Rows, float64 [n, d], to probabilities, float64 [n, K]."""

Codes = NDArray[np.intp]

_DRAWS = 1000
_SEED = 7
_TINY = 1e-15
# Rows whose other features a monotone one is varied on, and the values it takes.
_WALKS, _STEPS = 100, 9


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at: it is passed if `value` is at most `bound` (`least`: at least)."""

    name: str
    value: float
    bound: float
    least: bool = False

    @property
    def passed(self) -> bool:
        return bool(self.value >= self.bound if self.least else self.value <= self.bound)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks of a challenger. `champion`: the tag it was compared with, empty if there was none."""

    champion: str
    rows: int
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def as_dict(self) -> dict[str, object]:
        checks = [{**asdict(check), "passed": check.passed} for check in self.checks]
        return {"passed": self.passed, "champion": self.champion, "rows": self.rows, "checks": checks}

    def table(self) -> str:
        width = max(len(check.name) for check in self.checks)
        lines = [
            f"  {c.name:<{width}}  {c.value:>8.4f}  {'≥' if c.least else '≤'} {c.bound:>7.4f}  "
            + ("passed" if c.passed else "FAILED")
            for c in self.checks
        ]
        against = f"against {self.champion}" if self.champion else "there is no champion to compare with"
        return "\n".join([f"gate: {self.rows:,} hold-out rows, {against}", *lines])


def judge(
    challenger: Predict,
    champion: Predict | None,
    held: Dataset,
    params: settings.Gate,
    champion_tag: str = "",
) -> Verdict:
    """Look at a challenger, and compare it with the champion if there is one, on rows that neither has seen."""
    rows, codes = held.features.to_numpy(), held.codes
    probabilities = challenger(rows)
    checks = [
        Check("hold-out rows", len(codes), params.rows, least=True),
        *_better_than_guessing(probabilities, codes, params),
        *([] if champion is None else _no_worse(probabilities, champion(rows), codes, params)),
        _calibrated(probabilities, codes, params),
        *_recall(probabilities, codes, params),
        *_slices(probabilities, rows, codes, params),
        *_irrelevant(challenger, probabilities, rows, params),
        *_monotone(challenger, rows, codes),
    ]
    return Verdict(champion_tag, len(codes), tuple(checks))


def _losses(probabilities: Floats, codes: Codes) -> Floats:
    """Log-loss in nats and error, 0 or 1, of each row: float64 [n, 2]."""
    loss = -np.log(np.maximum(probabilities[np.arange(len(codes)), codes], _TINY))
    return np.stack([loss, probabilities.argmax(axis=1) != codes], axis=1)


def _surely(differences: Floats, confidence: float) -> Floats:
    """Return what the means of paired differences, [n, m], are above with that confidence, by bootstrap: [m]."""
    means = _times(len(differences)) @ differences / len(differences)
    low: Floats = np.quantile(means, 1 - confidence, axis=0)
    return low


@lru_cache(maxsize=1)
def _times(n: int) -> Floats:
    """How often each of n rows is drawn by each bootstrap: float64 [draws, n], floats so that BLAS multiplies them."""
    return np.random.default_rng(_SEED).multinomial(n, np.full(n, 1 / n), size=_DRAWS).astype(np.float64)


def _no_worse(challenger: Floats, champion: Floats, codes: Codes, params: settings.Gate) -> Iterator[Check]:
    worse = _surely(_losses(challenger, codes) - _losses(champion, codes), params.confidence)
    yield Check("log-loss surely above the champion's by", float(worse[0]), params.worse.log_loss)
    yield Check("accuracy surely below the champion's by", float(worse[1]), params.worse.accuracy)


def _better_than_guessing(probabilities: Floats, codes: Codes, params: settings.Gate) -> Iterator[Check]:
    shares = np.bincount(codes, minlength=len(CLASSES)) / len(codes)
    guess = np.broadcast_to(shares, probabilities.shape)
    gain = _surely(_losses(guess, codes)[:, :1] - _losses(probabilities, codes)[:, :1], params.confidence)
    yield Check("log-loss surely below guessing's by", float(gain[0]), params.gain, least=True)


def _calibrated(probabilities: Floats, codes: Codes, params: settings.Gate) -> Check:
    """Allow the tolerance on top of the error that a perfectly calibrated model of these probabilities shows."""
    rng = np.random.default_rng(_SEED)
    steps = probabilities.cumsum(axis=1)
    drawn = ((rng.random((100, len(codes), 1)) > steps).sum(axis=2).clip(0, len(CLASSES) - 1)).astype(np.intp)
    chance = np.quantile([calibration_error(probabilities, labels) for labels in drawn], 0.95)
    return Check("calibration error", calibration_error(probabilities, codes), float(chance) + params.calibration_error)


def _recall(probabilities: Floats, codes: Codes, params: settings.Gate) -> Iterator[Check]:
    right = probabilities.argmax(axis=1) == codes
    for k, label in enumerate(CLASSES):
        of = right[codes == k]
        yield Check(
            f"recall of {label}", float(of.mean()) if of.size else 0.0, params.recall / len(CLASSES), least=True
        )


def _slices(probabilities: Floats, rows: Floats, codes: Codes, params: settings.Gate) -> Iterator[Check]:
    right = (probabilities.argmax(axis=1) == codes).astype(np.float64)
    for j, feature in enumerate(FEATURES):
        if not isinstance(feature, Flag) or not feature.slice:
            continue
        for value in (0, 1):
            of = right[rows[:, j] == value]
            if len(of) >= params.slice.rows:
                # Half a dozen wrong answers in a small slice are chance: what is above it by two errors counts.
                chance = 2 * float(np.sqrt(right.var() / len(of)))
                below = float(right.mean() - of.mean())
                name = f"accuracy where {feature.name} is {value}, below the whole by"
                yield Check(name, below, params.slice.below + chance)


def _irrelevant(challenger: Predict, probabilities: Floats, rows: Floats, params: settings.Gate) -> Iterator[Check]:
    for j, feature in enumerate(FEATURES):
        if isinstance(feature, Flag) and feature.irrelevant:
            flipped = rows.copy()
            flipped[:, j] = 1 - flipped[:, j]
            moved = float(np.abs(challenger(flipped) - probabilities).max(axis=1).mean())
            yield Check(f"probability moved by flipping {feature.name}", moved, params.irrelevant)


def _monotone(challenger: Predict, rows: Floats, codes: Codes) -> Iterator[Check]:
    """Walk each monotone number from the first class's mean to the last's: its log-odds may not go the other way."""
    for j, feature in enumerate(FEATURES):
        if not isinstance(feature, Number) or not feature.monotone:
            continue
        first, last = (float(rows[codes == k, j].mean()) for k in (0, len(CLASSES) - 1))
        walked = np.repeat(rows[:_WALKS, None], _STEPS, axis=1)
        walked[:, :, j] = np.linspace(first, last, _STEPS)
        found = np.log(np.maximum(challenger(walked.reshape(-1, rows.shape[1])), _TINY))
        odds = (found[:, -1] - found[:, 0]).reshape(-1, _STEPS)
        back = max(0.0, float(-np.diff(odds, axis=1).min()))
        yield Check(f"log-odds going back as {feature.name} goes to {CLASSES[-1]}'s", back, 1e-9)
