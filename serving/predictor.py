"""One way in, one way out, whatever the protocol: score, count, name each answer."""

import os
import time
from typing import Any, NamedTuple

from serving.metrics import ModelMetrics
from serving.model import Floats, Scores
from serving.schema import CLASSES, NAMES
from serving.store import StoredModel


class Predictions(NamedTuple):
    """The answers about n rows: `ids` str [n], `scores` of n rows, `model` the full tag that made them."""

    ids: list[str]
    scores: Scores
    model: str

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return n answers as `schema.Prediction` describes them."""
        labels, probabilities, _, outlier = (part.tolist() for part in self.scores)
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
            for name, label, row, unlike in zip(self.ids, labels, probabilities, outlier, strict=True)
        ]


class Predictor:
    """Answers with one model."""

    def __init__(self, stored: StoredModel, metrics: ModelMetrics) -> None:
        self.stored = stored
        self.metrics = metrics

    def predict(self, rows: Floats, protocol: str) -> Predictions:
        """Answer n validated rows, float64 [n, d]. `protocol` says in the metrics who asked."""
        start = time.perf_counter()
        scores = self.stored.model.score(rows)
        self.metrics.observe(rows, scores, protocol, time.perf_counter() - start)
        return Predictions(prediction_ids(len(rows)), scores, self.stored.tag)

    def explain(self, row: Floats) -> dict[str, Any]:
        """Explain one validated row, float64 [d], as `schema.Explanation` describes it."""
        terms = self.stored.model.terms(row)
        scores = self.stored.model.score(row[None, :])
        return {
            "model": self.stored.tag,
            "log_odds": terms.log_odds,
            "prior": terms.prior,
            "contributions": dict(zip(NAMES, terms.contributions.tolist(), strict=True)),
            "probability": float(scores.probabilities[0, -1]),
            "log_density": float(scores.log_density[0]),
            "outlier": bool(scores.outlier[0]),
        }


def prediction_ids(n: int) -> list[str]:
    """Make n UUIDs of version 7 (RFC 9562) in 32 hexadecimal digits: they begin with the time, so they index well.

    One call for the random part of all: `uuid.uuid4` is sixty times slower for 10,000.
    """
    prefix = f"{time.time_ns() // 1_000_000:012x}7"
    digits = os.urandom(9 * n).hex()
    return [f"{prefix}{digits[i : i + 3]}8{digits[i + 3 : i + 18]}" for i in range(0, 18 * n, 18)]
