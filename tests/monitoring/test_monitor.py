"""The monitor on a real log: exact numbers, reports, and sentences where there is nothing to say."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sklearn.metrics import brier_score_loss

from monitoring import __main__ as program
from monitoring.gauges import WINDOWS
from monitoring.monitor import Monitor
from monitoring.quality import measure
from monitoring.settings import MonitorError, Settings
from serving import store
from serving.log_store import COLUMNS, LogStore
from serving.predictor import prediction_ids
from serving.schema import CLASSES, FEATURES, NAMES, Number
from tests.models import plausible_rows
from training.scores import calibration_error

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@pytest.fixture
def settings(tmp_path: Path, tag: str) -> Settings:
    return Settings(
        prediction_log_url=f"sqlite:///{tmp_path}/log.db",
        model_tag=tag,
        monitor_folder=tmp_path / "reports",
        monitor_dataset=tmp_path / "dataset.csv",
        monitor_report_seconds=3600,
        monitor_keep=2,
    )


@pytest.fixture
def sentences() -> list[str]:
    return []


@pytest.fixture
def monitor(settings: Settings, sentences: list[str]) -> Iterator[Monitor]:
    monitor = Monitor(settings, sentences.append)
    yield monitor
    monitor.close()


def gauges(monitor: Monitor) -> dict[tuple[str, ...], float]:
    """Return every value by name and the values of its labels, the model's left out."""
    text = generate_latest(monitor.gauges.registry).decode()
    return {
        (s.name.removeprefix("monitor_"), *(v for k, v in sorted(s.labels.items()) if k != "model")): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


Fill = Callable[..., list[str]]


@pytest.fixture
def fill(settings: Settings, tag: str) -> Fill:
    """Write rows into the log as the service does, scored by the model; return the ids."""
    scored = store.load(tag).model

    def filled(rows: Floats, model: str = tag) -> list[str]:
        log = LogStore(settings.prediction_log_url)
        log.prepare()
        ids = prediction_ids(len(rows))
        label, shares, _, outlier = scored.score(rows)
        log.insert(
            [
                (ids[i], time.time(), model, "http", CLASSES[label[i]], bool(outlier[i]), *rows[i], *shares[i])
                for i in range(len(rows))
            ]
        )
        log.engine.dispose()
        return ids

    return filled


def label(settings: Settings, ids: list[str], actual: list[str]) -> None:
    log = LogStore(settings.prediction_log_url)
    for name, truth in zip(ids, actual, strict=True):
        assert log.record(name, truth)
    log.engine.dispose()


def test_the_gauges_are_exact(monitor: Monitor, settings: Settings, fill: Fill, tag: str) -> None:
    rows = plausible_rows(400)
    ids = fill(rows)
    codes = np.random.default_rng(0).integers(len(CLASSES), size=100)
    label(settings, ids[:100], [CLASSES[code] for code in codes])
    assert "400 predictions" in monitor.measure(time.time())
    shares = store.load(tag).model.score(rows[:100]).probabilities
    found = gauges(monitor)
    for window in WINDOWS:
        assert found["rows", window] == 400
        assert found["labelled_rows", window] == 100
        assert found["label_coverage", window] == 0.25
        assert found["accuracy", window] == (shares.argmax(axis=1) == codes).mean()
        expected = brier_score_loss(codes, shares, labels=range(len(CLASSES)))
        assert found["brier", window] == pytest.approx(expected)
        assert found["calibration_error", window] == pytest.approx(calibration_error(shares, codes))


def test_rows_outside_the_training_s_range_are_counted(monitor: Monitor, fill: Fill) -> None:
    rows = plausible_rows(200)
    column = next(i for i, feature in enumerate(FEATURES) if isinstance(feature, Number))
    rows[:50, column] = FEATURES[column].high
    fill(rows)
    monitor.measure(time.time())
    found = gauges(monitor)
    for feature in (f for f in FEATURES if isinstance(f, Number)):
        assert found["out_of_range_share", feature.name, "1h"] == (0.25 if feature is FEATURES[column] else 0)


def test_nothing_to_say_is_said_in_a_sentence(monitor: Monitor, settings: Settings, fill: Fill) -> None:
    assert monitor.look() == "no report: there were no predictions in the last 3600 seconds"
    assert not any(key[0] == "accuracy" for key in gauges(monitor))
    fill(plausible_rows(5))
    assert "5 rows" in monitor.look(report=True)
    assert "say nothing, 100 are needed" in monitor.look(report=True)
    assert gauges(monitor)["report_age_seconds",] == -1
    assert "no report: 5 rows" in (settings.monitor_folder / "index.html").read_text()


def test_a_row_of_another_schema_or_not_a_number_is_left_out(
    monitor: Monitor, settings: Settings, fill: Fill, tag: str
) -> None:
    ids = fill(plausible_rows(150))
    log = LogStore(settings.prediction_log_url)
    with log.engine.begin() as connection:
        for i, bad in enumerate(("NULL", "9e999", "'text'")):
            connection.exec_driver_sql(
                f"UPDATE predictions SET {NAMES[1]} = {bad}, probability_{CLASSES[0]} = NULL WHERE prediction_id = ?",  # noqa: S608
                (ids[i],),
            )
    log.engine.dispose()
    label(settings, ids[:4], [CLASSES[0]] * 4)
    monitor.measure(time.time())
    assert gauges(monitor)["accuracy", "1h"] in (0.0, 1.0)
    assert len(monitor._log.rows(tag, 0)) == 147


def test_a_log_that_is_away_is_a_sentence_and_the_look_grows_stale(settings: Settings, sentences: list[str]) -> None:
    monitor = Monitor(
        settings.model_copy(update={"prediction_log_url": "postgresql://u@127.0.0.1:1/d"}), sentences.append
    )
    assert monitor.look().startswith("the prediction log cannot be read: ")
    assert gauges(monitor)["last_run_timestamp_seconds",] == 0


def test_a_model_that_is_not_in_this_store(monitor: Monitor, fill: Fill, sentences: list[str]) -> None:
    fill(plausible_rows(10), model="gender_classifier:elsewhere")
    monitor.look()
    assert any("gender_classifier:elsewhere" in each for each in sentences)
    assert gauges(monitor)["rows", "1h"] == 10


def test_no_usable_row_is_no_measure() -> None:
    assert measure(np.full((3, 2), np.nan), np.zeros(3, dtype=np.intp)) is None


@pytest.mark.parametrize(
    ("name", "value"), [("MONITOR_PORT", "x"), ("MONITOR_INTERVAL_SECONDS", "0"), ("MONITOR_KEEP", "0")]
)
def test_a_setting_that_cannot_be_used_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=rf"^error: {name} is '{value}'"):
        program.main([])


def test_settings_without_variables_are_the_defaults() -> None:
    assert Settings.from_environment({}) == Settings()
    with pytest.raises(MonitorError):
        Monitor(Settings(prediction_log_url="mysql://x/y"), print)


@pytest.mark.slow
def test_reports_of_real_rows_and_of_odd_ones(monitor: Monitor, settings: Settings, fill: Fill, tag: str) -> None:
    rows = plausible_rows(600)
    rows[:, 0] = 1  # a flag that never changes
    rows[0, 1] = FEATURES[1].high  # one outlier
    ids = fill(rows)
    without = monitor.look(report=True)
    assert "600 rows" in without
    assert "without classification quality (0 labels)" in without
    label(settings, ids[:200], [CLASSES[i % len(CLASSES)] for i in range(200)])
    for _ in range(2):
        made = monitor.gauges.last_report
        while time.time() < made + 1:  # names have seconds
            time.sleep(0.05)
        assert "with classification quality" in monitor.look(report=True)
    stems = sorted(path.stem for path in settings.monitor_folder.glob("*Z.json"))
    assert len(stems) == 2
    assert len(list(settings.monitor_folder.glob("*.html"))) == 5
    about = json.loads((settings.monitor_folder / f"{stems[-1]}.json").read_text())
    assert (about["rows"], about["labelled"], about["model"]) == (600, 200, tag)
    assert about["reference"].startswith("drawn from the bins")
    drift = json.loads((settings.monitor_folder / f"{stems[-1]}-drift.json").read_text())
    assert all(name in json.dumps(drift) for name in NAMES)
    index = (settings.monitor_folder / "index.html").read_text()
    assert all(f"{stem}-{kind}.html" in index for stem in stems for kind in ("drift", "quality"))
    found = gauges(monitor)
    assert 0 <= found["report_age_seconds",] < 60
    assert time.time() - found["last_run_timestamp_seconds",] < 60


def test_columns_of_the_log_are_what_the_service_writes() -> None:
    assert COLUMNS[6:] == (*NAMES, *(f"probability_{name}" for name in CLASSES))
    assert pd.Index(COLUMNS).is_unique
