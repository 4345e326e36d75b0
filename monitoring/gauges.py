"""What the monitor tells Prometheus."""

import time
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

WINDOWS = {"1h": 3600.0, "1d": 86400.0, "7d": 7 * 86400.0}
_EACH = ("model", "window")
_MEASURES = {
    "rows": ("Predictions in the log", _EACH),
    "labelled_rows": ("Predictions in the log whose true label is known", _EACH),
    "label_coverage": ("Share of the predictions whose true label is known", _EACH),
    "accuracy": ("Share of the labelled predictions that were right", _EACH),
    "expected_accuracy": ("Accuracy at training, by cross-validation", _EACH),
    "brier": ("Mean squared error of the probability", _EACH),
    "calibration_error": ("Expected calibration error", _EACH),
    "out_of_range_share": ("Share of the rows outside the training rows' range", (*_EACH, "feature")),
}


class Measures:
    """The measures of one look: each a value by the values of its labels, which begin with model and window."""

    def __init__(self) -> None:
        self.values: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in _MEASURES}

    def set(self, name: str, value: float, *labels: str) -> None:
        self.values[name][labels] = value


class Gauges(Collector):
    """Shows the newest measures whole: while they are being made a scrape finds the ones before."""

    def __init__(self, interval: float) -> None:
        self.registry = CollectorRegistry()
        self.measures = Measures()
        self.last_run = 0.0
        self.last_report = 0.0
        self._interval = interval
        self.registry.register(self)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        values: Mapping[str, Mapping[tuple[str, ...], float]] = self.measures.values
        for name, (text, labels) in _MEASURES.items():
            family = GaugeMetricFamily(f"monitor_{name}", text, labels=labels)
            for given, value in values[name].items():
                family.add_metric(given, value)
            yield family
        age = time.time() - self.last_report if self.last_report else -1.0
        for name, text, value in (
            ("last_run_timestamp_seconds", "When the log was read last; 0 is never", self.last_run),
            ("interval_seconds", "Time between two looks at the log", self._interval),
            ("last_report_timestamp_seconds", "When the newest report was made; 0 is never", self.last_report),
            ("report_age_seconds", "Age of the newest report; -1 if there is none", age),
        ):
            yield GaugeMetricFamily(f"monitor_{name}", text, value)
