"""The model's own Prometheus metrics; BentoML's are beside them on /metrics and right over any number of workers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from functools import cache
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serving.model import Floats, Score, Scores
from serving.reference import Bins
from serving.schema import CLASSES, FEATURES, NAMES, Feature, Flag
from serving.store import StoredModel
from serving.tally import Histogram, Tally

if TYPE_CHECKING:
    from prometheus_client import Counter

PROTOCOLS = ("http", "oip", "grpc", "ui")
_SECONDS = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)


@cache
def _families() -> SimpleNamespace:
    # prometheus_client looks for PROMETHEUS_MULTIPROC_DIR when it is imported, and BentoML sets it for workers only.
    from prometheus_client import Counter, Gauge
    from prometheus_client import Histogram as Buckets

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        # Every worker sets the same value; after a swap the newest is the true one.
        return Gauge(name, text, ("model", *labels), multiprocess_mode="mostrecent")

    def counter(name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, ("model", *labels))

    return SimpleNamespace(
        info=gauge("model_info", "1 for the model that answers"),
        reference_rows=gauge("model_reference_rows", "Rows of training data behind the reference"),
        reference_ratio=gauge(
            "model_feature_bin_reference_ratio", "Share of the training rows in a bin", "feature", "bin"
        ),
        psi_chi2=gauge("model_feature_psi_chi2", "Chi-square quantile of the drift threshold", "feature"),
        psi_floor=gauge("model_feature_psi_floor", "Drift below this does not matter", "feature"),
        predictions=counter("model_predictions", "Rows answered", "protocol", "label"),
        outliers=counter("model_outliers", "Rows answered that are unlike the training data"),
        feature_bins=counter("model_feature_bin", "Rows answered, by bin of a feature", "feature", "bin"),
        probability_bins=counter(
            "model_probability_bin", f"Rows answered, by training decile of P({CLASSES[-1]})", "bin"
        ),
        probability_ratio=gauge("model_probability_bin_reference_ratio", "Share of the training rows in a bin", "bin"),
        probability_chi2=gauge("model_probability_psi_chi2", "Chi-square quantile of the drift threshold"),
        probability_floor=gauge("model_probability_psi_floor", "Drift below this does not matter"),
        swap_failures=counter("model_swap_failures", "Times that another model could not be switched to"),
        implausible=counter("model_implausible", "Values refused as out of the plausible range", "feature"),
        seconds=Buckets(
            "model_prediction_seconds",
            "Time to score one call, in seconds",
            ("model", "protocol"),
            buckets=_SECONDS,
        ),
    )


class ModelMetrics:
    """The series of one model. Every one exists from the start, so that a rate() never misses the first event."""

    def __init__(self, stored: StoredModel) -> None:
        f, tag = _families(), stored.tag
        reference = stored.reference
        self._info = f.info.labels(tag)
        self._info.set(1)
        self._lock = Lock()
        f.reference_rows.labels(tag).set(reference.rows)
        self._features: list[tuple[Bins, list[Tally]]] = []
        for feature in FEATURES:
            name, bins = feature.name, reference.features[feature.name]
            labels = bin_labels(feature, bins)
            f.psi_chi2.labels(tag, name).set(bins.chi2)
            f.psi_floor.labels(tag, name).set(bins.floor)
            for label, ratio in zip(labels, bins.ratios, strict=True):
                f.reference_ratio.labels(tag, name, label).set(ratio)
            self._features.append((bins, [_tally(f.feature_bins.labels(tag, name, label)) for label in labels]))
        # What counting one row needs of them, without a call for each feature.
        self._places = [(bins.edges, [tally.place for tally in tallies]) for bins, tallies in self._features]
        self._swap_failures = f.swap_failures.labels(tag)
        self._outliers = _tally(f.outliers.labels(tag))
        self._deciles = reference.probability
        f.probability_chi2.labels(tag).set(self._deciles.chi2)
        f.probability_floor.labels(tag).set(self._deciles.floor)
        for label, ratio in zip(self._deciles.labels, self._deciles.ratios, strict=True):
            f.probability_ratio.labels(tag, label).set(ratio)
        self._probability = [_tally(f.probability_bins.labels(tag, label)) for label in reference.probability.labels]
        self._implausible = {name: f.implausible.labels(tag, name) for name in NAMES}
        self._labels = {
            name: [_tally(f.predictions.labels(tag, name, label)) for label in CLASSES] for name in PROTOCOLS
        }
        self._seconds = {name: Histogram(f.seconds.labels(tag, name)) for name in PROTOCOLS}

    def observe(self, rows: Floats, scores: Scores, protocol: str, seconds: float) -> None:
        """Count n answered rows, float64 [n, d], that one call scored."""
        with self._lock:
            _add(self._labels[protocol], np.bincount(scores.label, minlength=len(CLASSES)))
            self._outliers.add(int(np.count_nonzero(scores.outlier)))
            for (bins, tallies), column in zip(self._features, rows.T, strict=True):
                _add(tallies, bins.count(column))
            _add(self._probability, self._deciles.count(scores.probabilities[:, -1]))
            self._seconds[protocol].observe(seconds)

    def observe_one(self, row: Sequence[float], score: Score, protocol: str, seconds: float) -> None:
        """Count one answered row of d floats."""
        with self._lock:
            self._labels[protocol][score.label].add()
            if score.outlier:
                self._outliers.add()
            for (edges, places), value in zip(self._places, row, strict=True):
                numbers, at = places[bisect_right(edges, value)]
                numbers[at] += 1.0
            self._probability[self._deciles.index(score.probabilities[-1])].add()
            self._seconds[protocol].observe(seconds)

    def retire(self) -> None:
        """Say that the model does not answer any more."""
        self._info.set(0)

    def swap_failed(self) -> None:
        """Count, beside the model that goes on, another one that could not take its place."""
        self._swap_failures.inc()

    def refused(self, features: Sequence[str]) -> None:
        """Count values refused as implausible, by feature name."""
        for name in features:
            self._implausible[name].inc()


def bin_labels(feature: Feature, bins: Bins) -> tuple[str, ...]:
    """Return the label `bin` of each of a feature's bins."""
    return ("0", "1") if isinstance(feature, Flag) else bins.labels


def only(models: Collection[str], exposition: bytes) -> bytes:
    """Leave the series of all other models out of what /metrics says.

    Over several processes prometheus_client cannot remove a series, and every promotion would leave sixty for ever.
    """
    kept = {f'model="{tag}"'.encode() for tag in models}
    lines = exposition.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith(b"model_") or any(label in line for label in kept))


def _tally(counter: Counter) -> Tally:
    return Tally(counter._value)


def _add(tallies: list[Tally], counts: NDArray[np.intp]) -> None:
    for tally, count in zip(tallies, counts.tolist(), strict=True):
        if count:
            tally.add(count)
