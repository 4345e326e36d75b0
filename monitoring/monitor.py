"""Looks at the log: measures at every look, a report when one is due."""

import json
import time
from collections.abc import Callable

from monitoring import pages, reports
from monitoring.gauges import WINDOWS, Gauges
from monitoring.log import Log
from monitoring.quality import measure
from monitoring.reference import Training, load
from monitoring.settings import MonitorError, Settings

_MOST_MODELS = 2  # the current and the previous one


class Monitor:
    """Reads one log, compares with one model's training.

    Args:
        say: takes each sentence about what happened.
    """

    def __init__(self, settings: Settings, say: Callable[[str], None]) -> None:
        self.gauges = Gauges(settings.monitor_interval_seconds)
        self._settings = settings
        self._say = say
        self._log = Log(settings.prediction_log_url)
        self._training: dict[str, Training] = {}
        self._reported = self._newest_report()
        self.gauges.last_report.set_function(lambda: self._reported)
        self.gauges.report_age.set_function(lambda: time.time() - self._reported if self._reported else -1)
        pages.write_index(settings.monitor_folder, "The log was not read yet.")

    def look(self, report: bool = False) -> str:
        """Read the log once and set the gauges. `report` makes one even if none is due.

        Returns:
            One sentence about the look. A log that cannot be read is one, too: the gauges then grow stale.
        """
        now = time.time()
        try:
            sentence = self.measure(now)
            due = now - self._reported >= self._settings.monitor_report_seconds
            if report or due:
                sentence = self._report(now)
        except MonitorError as error:
            sentence = str(error)
        else:
            self.gauges.last_run.set(now)
        pages.write_index(self._settings.monitor_folder, sentence)
        self._say(sentence)
        return sentence

    def measure(self, now: float) -> str:
        """Set the gauges as of a time (seconds since 1970); return one sentence.

        Raises:
            MonitorError: the log cannot be read.
        """
        self.gauges.clear()
        total = 0
        for window, seconds in WINDOWS.items():
            since = now - seconds
            models = self._log.models(since)
            for model, rows in list(models.items())[:_MOST_MODELS]:
                self._measure_model(model, window, since, rows)
            total = sum(models.values())
        return f"{total} predictions in the last {window}"

    def _measure_model(self, model: str, window: str, since: float, rows: int) -> None:
        g = self.gauges
        labelled = self._log.labelled(model, since)
        g.rows.labels(model, window).set(rows)
        g.labelled_rows.labels(model, window).set(len(labelled.codes))
        g.label_coverage.labels(model, window).set(len(labelled.codes) / rows)
        if quality := measure(labelled.probabilities, labelled.codes):
            g.accuracy.labels(model, window).set(quality.accuracy)
            g.brier.labels(model, window).set(quality.brier)
            g.calibration_error.labels(model, window).set(quality.calibration_error)
        training = self._trained(model)
        if training is None:
            return
        if training.accuracy is not None:
            g.expected_accuracy.labels(model, window).set(training.accuracy)
        for feature, share in self._log.outside(model, since, training.ranges).items():
            g.out_of_range.labels(model, window, feature).set(share)

    def _trained(self, model: str) -> Training | None:
        """Return what is known of a model's training; None if this machine's store does not have the model."""
        if model not in self._training:
            try:
                self._training[model] = load(model, self._settings.monitor_dataset)
            except MonitorError as error:
                self._say(str(error))
                return None
        return self._training[model]

    def _report(self, now: float) -> str:
        models = self._log.models(now - self._settings.monitor_report_seconds)
        model = next(iter(models), None)
        if model is None:
            return f"no report: there were no predictions in the last {self._settings.monitor_report_seconds:g} seconds"
        training = self._trained(model) or load(self._settings.model_tag, self._settings.monitor_dataset)
        rows = self._log.rows(model, now - self._settings.monitor_report_seconds)
        sentence = reports.make(rows, training, model, self._settings.monitor_folder, now)
        reports.prune(self._settings.monitor_folder, self._settings.monitor_keep)
        self._reported = self._newest_report()
        return sentence

    def _newest_report(self) -> float:
        files = sorted(self._settings.monitor_folder.glob("*Z.json"))
        return float(json.loads(files[-1].read_text())["time"]) if files else 0.0

    def close(self) -> None:
        self._log.close()
