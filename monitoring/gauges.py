"""What the monitor tells Prometheus."""

from prometheus_client import CollectorRegistry, Gauge

WINDOWS = {"1h": 3600.0, "1d": 86400.0, "7d": 7 * 86400.0}


class Gauges:
    """One gauge for each measure, with the model's tag and the window as labels."""

    def __init__(self, interval: float) -> None:
        self.registry = CollectorRegistry()

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"monitor_{name}", text, labels, registry=self.registry)

        each = ("model", "window")
        self.rows = gauge("rows", "Predictions in the log", *each)
        self.labelled_rows = gauge("labelled_rows", "Predictions in the log whose true label is known", *each)
        self.label_coverage = gauge("label_coverage", "Share of the predictions whose true label is known", *each)
        self.accuracy = gauge("accuracy", "Share of the labelled predictions that were right", *each)
        self.expected_accuracy = gauge("expected_accuracy", "Accuracy at training, by cross-validation", *each)
        self.brier = gauge("brier", "Mean squared error of the probability", *each)
        self.calibration_error = gauge("calibration_error", "Expected calibration error", *each)
        self.out_of_range = gauge(
            "out_of_range_share", "Share of the rows outside the training rows' range", *each, "feature"
        )
        self.last_run = gauge("last_run_timestamp_seconds", "When the log was read last")
        self.interval = gauge("interval_seconds", "Time between two looks at the log")
        self.last_report = gauge("last_report_timestamp_seconds", "When the newest report was made; 0 is never")
        self.report_age = gauge("report_age_seconds", "Age of the newest report; -1 if there is none")
        self.interval.set(interval)

    def clear(self) -> None:
        """Forget models and windows that are over; what is still there is set again."""
        for each in (
            *(self.rows, self.labelled_rows, self.label_coverage, self.accuracy, self.expected_accuracy),
            *(self.brier, self.calibration_error, self.out_of_range),
        ):
            each.clear()
