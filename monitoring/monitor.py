"""Looks at the log: measures at every look, a report when one is due."""

import json
import time
from collections.abc import Callable

from monitoring import pages, reports
from monitoring.gauges import WINDOWS, Gauges, Measures
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
        self._missing: set[str] = set()
        self.gauges.last_report = self._newest_report()
        pages.write_index(settings.monitor_folder, "The log was not read yet.")

    def look(self, report: bool = False) -> str:
        """Read the log once and set the gauges. `report` makes one even if none is due.

        Returns:
            One sentence about the look. A log that cannot be read is one, too: the gauges then grow stale.
        """
        now = time.time()
        try:
            sentence = self.measure(now)
            due = now - self.gauges.last_report >= self._settings.monitor_report_seconds
            if report or due:
                sentence = self._report(now)
        except MonitorError as error:
            sentence = str(error)
        else:
            self.gauges.last_run = now
        pages.write_index(self._settings.monitor_folder, sentence)
        self._say(sentence)
        return sentence

    def measure(self, now: float) -> str:
        """Set the gauges as of a time (seconds since 1970); return one sentence.

        Raises:
            MonitorError: the log cannot be read.
        """
        measures, total = Measures(), 0
        for window, seconds in WINDOWS.items():
            since = now - seconds
            models = self._log.models(since)
            for model, rows in list(models.items())[:_MOST_MODELS]:
                self._measure_model(measures, (model, window), since, rows)
            total = sum(models.values())
        self.gauges.measures = measures
        return f"{total} predictions in the last {window}"

    def _measure_model(self, measures: Measures, of: tuple[str, str], since: float, rows: int) -> None:
        """Set the measures of a model and window, `of`, which made so many rows since a time."""
        model, _ = of
        labelled = self._log.labelled(model, since)
        measures.set("rows", rows, *of)
        measures.set("labelled_rows", len(labelled.codes), *of)
        measures.set("label_coverage", len(labelled.codes) / rows, *of)
        if quality := measure(labelled.probabilities, labelled.codes):
            measures.set("accuracy", quality.accuracy, *of)
            measures.set("brier", quality.brier, *of)
            measures.set("calibration_error", quality.calibration_error, *of)
        training = self._trained(model)
        if training is None:
            return
        if training.accuracy is not None:
            measures.set("expected_accuracy", training.accuracy, *of)
        for feature, share in self._log.outside(model, since, training.ranges).items():
            measures.set("out_of_range_share", share, *of, feature)

    def _trained(self, model: str) -> Training | None:
        """Return what is known of a model's training; None if this machine's store does not have the model."""
        if model not in self._training:
            try:
                self._training[model] = load(model, self._settings.monitor_dataset)
            except MonitorError as error:
                # Once: it is tried again at every look, and may come.
                if model not in self._missing:
                    self._say(str(error))
                    self._missing.add(model)
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
        self.gauges.last_report = self._newest_report()
        return sentence

    def _newest_report(self) -> float:
        files = sorted(self._settings.monitor_folder.glob("*Z.json"))
        return float(json.loads(files[-1].read_text())["time"]) if files else 0.0

    def close(self) -> None:
        self._log.close()
