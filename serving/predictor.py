"""One way in, one way out, whatever the protocol: score, count, name each answer."""

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from serving.metrics import ModelMetrics
from serving.model import Floats, Score, Scores
from serving.schema import CLASSES, NAMES
from serving.store import StoredModel

if TYPE_CHECKING:
    from serving.prediction_log import PredictionLog


class Lists(NamedTuple):
    """n answers in plain Python: indices into the classes, K floats each, booleans."""

    labels: list[int]
    probabilities: list[list[float]]
    outliers: list[bool]


class Predictions:
    """The answers about n rows: their scores, `model` the full tag that made them."""

    def __init__(self, scores: Scores | Score, model: str) -> None:
        self._scores = scores
        self.model = model
        # Not by cached_property, whose lock costs a microsecond each time.
        self._ids: list[str] | None = None
        self._lists = (
            Lists([scores.label], [scores.probabilities], [scores.outlier]) if isinstance(scores, Score) else None
        )

    def __len__(self) -> int:
        return 1 if isinstance(self._scores, Score) else len(self._scores.label)

    @property
    def ids(self) -> list[str]:
        """A new name for each of the n answers. Made when asked for: not every protocol's client wants them."""
        if self._ids is None:
            self._ids = prediction_ids(len(self))
        return self._ids

    @property
    def scores(self) -> Scores | Score:
        """The scores as they were made: arrays for n rows, plain Python for one."""
        return self._scores

    @property
    def lists(self) -> Lists:
        """The scores as lists."""
        if self._lists is None:
            assert isinstance(self._scores, Scores)
            label, probabilities, _, outlier = self._scores
            self._lists = Lists(label.tolist(), probabilities.tolist(), outlier.tolist())
        return self._lists

    @property
    def labels(self) -> list[str]:
        return [CLASSES[label] for label in self.lists.labels]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return n answers as `schema.Prediction` describes them."""
        model = self.model
        return [
            {
                "prediction_id": name,
                "label": CLASSES[label],
                "probability": row[label],
                "probabilities": dict(zip(CLASSES, row, strict=True)),
                "outlier": unlike,
                "model": model,
            }
            for name, label, row, unlike in zip(self.ids, *self.lists, strict=True)
        ]


class Predictor:
    """Answers with one model at a time, which `swap` replaces between two calls.

    Args:
        log: takes every prediction; None if none is kept.
    """

    def __init__(self, stored: StoredModel, log: "PredictionLog | None" = None) -> None:
        self._serving = (stored, ModelMetrics(stored))
        self.log = log

    @property
    def stored(self) -> StoredModel:
        return self._serving[0]

    def swap(self, stored: StoredModel) -> None:
        """Answer with another, verified model from now on. Safe from any thread."""
        before = self._serving[1]
        # One assignment: a call has either the old model with its metrics or the new one with its own.
        self._serving = (stored, ModelMetrics(stored))
        before.retire()

    def predict(self, rows: Floats | tuple[float, ...], protocol: str) -> Predictions:
        """Answer n validated rows, float64 [n, d], which nothing may change later, or the d values of one.

        Args:
            protocol: says who asked.
        """
        if isinstance(rows, tuple):
            return self.predict_one(rows, protocol)
        if len(rows) == 1:
            return self.predict_one(rows[0].tolist(), protocol)
        stored, metrics = self._serving
        rows = np.asfortranarray(rows)
        start = time.perf_counter()
        scores = stored.model.score(rows)
        metrics.observe(rows, scores, protocol, time.perf_counter() - start)
        answers = Predictions(scores, stored.tag)
        if self.log is not None:
            self.log.add(answers, rows, protocol)
        return answers

    def predict_one(self, row: Sequence[float], protocol: str) -> Predictions:
        """Answer one validated row of d floats, several times as fast as `predict`, to which it is the same."""
        stored, metrics = self._serving
        start = time.perf_counter()
        score = stored.model.score_one(row)
        metrics.observe_one(row, score, protocol, time.perf_counter() - start)
        answers = Predictions(score, stored.tag)
        if self.log is not None:
            self.log.add_one(answers, row, protocol)
        return answers

    def explain(self, row: Floats) -> dict[str, Any]:
        """Explain one validated row, float64 [d], as `schema.Explanation` describes it."""
        stored = self.stored
        terms = stored.model.terms(row)
        scores = stored.model.score(row[None, :])
        return {
            "model": stored.tag,
            "log_odds": terms.log_odds,
            "prior": terms.prior,
            "contributions": dict(zip(NAMES, terms.contributions.tolist(), strict=True)),
            "probability": float(scores.probabilities[0, -1]),
            "log_density": float(scores.log_density[0]),
            "outlier": bool(scores.outlier[0]),
        }

    def refused(self, features: Sequence[str]) -> None:
        """Count values refused as implausible, by feature name."""
        self._serving[1].refused(features)

    def swap_failed(self) -> None:
        """Count a model that could not be switched to."""
        self._serving[1].swap_failed()


def prediction_ids(n: int) -> list[str]:
    """Make n UUIDs of version 7 (RFC 9562) in 32 hexadecimal digits: they begin with the time, so they index well.

    All at once: `uuid.uuid4` is a hundred times slower for 10,000.
    """
    milliseconds = time.time_ns() // 1_000_000
    if n == 1:
        digits = os.urandom(9).hex()
        return [f"{milliseconds:012x}7{digits[:3]}8{digits[3:]}"]
    parts = np.frombuffer(bytearray(os.urandom(16 * n)), np.uint8).reshape(n, 16)
    parts[:, :6] = np.frombuffer(milliseconds.to_bytes(6, "big"), np.uint8)
    parts[:, 6] = parts[:, 6] & 0x0F | 0x70
    parts[:, 8] = parts[:, 8] & 0x3F | 0x80
    digits = parts.tobytes().hex()
    return [digits[i : i + 32] for i in range(0, 32 * n, 32)]
