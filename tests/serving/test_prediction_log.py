"""The prediction log in one process, on a real SQLite file."""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY
from sqlalchemy import func, select

from serving import prediction_log
from serving.feedback import Feedback
from serving.log_store import LogStore, feedback, first_id, predictions
from serving.log_url import LogError
from serving.model import Score, Scores
from serving.prediction_log import PredictionLog, open_log, sampled
from serving.predictor import Predictions, prediction_ids
from serving.schema import CLASSES, NAMES
from tests.models import plausible_rows

MODEL = "gender_classifier:test"


def scores_of(n: int) -> Scores:
    random = np.random.default_rng(n)
    first = random.random(n)
    shares = np.stack([first, *[(1 - first) / (len(CLASSES) - 1)] * (len(CLASSES) - 1)], axis=1)
    return Scores(shares.argmax(axis=1), shares, random.normal(size=n), random.random(n) < 0.1)


def fill(log: PredictionLog, n: int) -> list[str]:
    """Hand over n predictions in one call; return their ids."""
    answers = Predictions(scores_of(n), MODEL)
    log.add(answers, plausible_rows(n), "http")
    return answers.ids


def count(store: LogStore) -> int:
    with store.engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(predictions)).scalar_one()


def dropped() -> float:
    return REGISTRY.get_sample_value("prediction_log_dropped_total") or 0.0


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "it did not happen in 30 s"
        time.sleep(0.02)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "log" / "predictions.db"


@pytest.fixture
def store(file: Path) -> Iterator[LogStore]:
    store = LogStore(f"sqlite:///{file}")
    yield store
    store.engine.dispose()


@contextmanager
def logging_to(store: LogStore, share: float = 1.0, days: float = 30.0) -> Iterator[PredictionLog]:
    log = PredictionLog(store, share, days)
    log.start()
    yield log
    log.close()


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Lock the database as a stuck process does."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def test_what_was_answered_can_be_read_back_exactly(store: LogStore) -> None:
    before = time.time()
    rows, scores = plausible_rows(1203), scores_of(1203)
    label, shares, density, outlier = scores
    one = Score(int(label[0]), shares[0].tolist(), float(density[0]), bool(outlier[0]))
    many = Scores(label[1:], shares[1:], density[1:], outlier[1:])
    answers = Predictions(one, MODEL), Predictions(many, MODEL)
    with logging_to(store) as log:
        log.add_one(answers[0], rows[0].tolist(), "http")
        log.add(answers[1], rows[1:], "grpc")
    ids = answers[0].ids + answers[1].ids
    with store.engine.connect() as connection:
        found = {row.prediction_id: row._mapping for row in connection.execute(select(predictions))}
    assert set(found) == set(ids)
    for i, name in enumerate(ids):
        row = found[name]
        assert [row[feature] for feature in NAMES] == rows[i].tolist()
        assert [row[f"probability_{label}"] for label in CLASSES] == scores.probabilities[i].tolist()
        assert (row["label"], row["outlier"]) == (CLASSES[scores.label[i]], scores.outlier[i])
        assert (row["model"], row["protocol"]) == (MODEL, "http" if i == 0 else "grpc")
        assert before <= row["time"] <= time.time()


def test_a_share_is_logged_and_everyone_agrees_on_it(store: LogStore) -> None:
    with logging_to(store, share=0.3) as log:
        ids = fill(log, 5000)
        expected = {name for name in ids if log.takes(name)}
    with store.engine.connect() as connection:
        assert set(connection.execute(select(predictions.c.prediction_id)).scalars()) == expected
    assert 1300 < len(expected) < 1700
    assert all(sampled(name, 0.31) for name in expected)


def test_a_locked_database_costs_nothing_that_the_queue_can_hold(
    store: LogStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prediction_log, "MOST_ROWS", 1000)
    before = dropped()
    with logging_to(store) as log:
        fill(log, 10)
        eventually(lambda: not log.pending)
        with locked(file):
            fill(log, 700)
            fill(log, 400)
            fill(log, 300)
            fill(log, 1)
            eventually(lambda: log.behind)
        eventually(lambda: not log.pending)
        assert count(store) == 1010
        eventually(lambda: not log.behind)
        fill(log, 5)
    assert count(store) == 1015
    assert dropped() - before == 401


def test_a_file_that_vanishes_is_made_anew(store: LogStore, file: Path) -> None:
    with logging_to(store) as log:
        fill(log, 10)
        eventually(lambda: not log.pending)
        for each in file.parent.iterdir():
            each.unlink()
        file.parent.rmdir()
        fill(log, 7)
    assert count(store) == 7


def test_what_cannot_be_written_at_the_end_is_counted(store: LogStore, file: Path) -> None:
    before = dropped()
    with logging_to(store) as log:
        fill(log, 1)
        eventually(lambda: not log.pending)
        with locked(file):
            fill(log, 20)
            log.close()
    assert dropped() - before >= 20


def test_old_rows_go_in_steps_and_their_feedback_with_them(store: LogStore) -> None:
    store.prepare()
    now = time.time()
    old = [f"{first_id(now - 3 * 86400 + i)}7{i:03x}8{i:015x}" for i in range(30)]
    columns = ("x", "http", CLASSES[0], False, *[0.0] * (len(NAMES) + len(CLASSES)))
    store.insert([(name, now, *columns) for name in old])
    assert store.record(old[0], CLASSES[0])
    assert store.record(old[-1], CLASSES[0])
    assert store.delete_before(now - 2 * 86400, 20) == 20
    assert count(store) == 10
    with store.engine.connect() as connection:
        assert connection.execute(select(feedback.c.prediction_id)).scalars().all() == [old[-1]]
    with logging_to(store, days=2) as log:
        [young] = fill(log, 1)
        eventually(lambda: count(store) == 1)
    assert store.record(young, CLASSES[0])
    assert not store.record(old[-1], CLASSES[0])


def test_the_last_label_wins(store: LogStore) -> None:
    with logging_to(store) as log:
        [name] = fill(log, 1)
    assert not store.record("0" * 32, CLASSES[0])
    assert store.record(name, CLASSES[0])
    assert store.record(name, CLASSES[1])
    with store.engine.connect() as connection:
        rows = connection.execute(select(feedback.c.prediction_id, feedback.c.actual)).all()
    assert [tuple(row) for row in rows] == [(name, CLASSES[1])]


def test_a_batch_that_arrived_after_all_is_not_written_twice(store: LogStore) -> None:
    store.prepare()
    row = (prediction_ids(1)[0], 0.0, "x", "http", CLASSES[0], False, *[0.0] * (len(NAMES) + len(CLASSES)))
    store.insert([row])
    store.insert([row, (prediction_ids(1)[0], *row[1:])])
    assert count(store) == 2


def test_a_log_of_fewer_features_gets_the_new_columns(store: LogStore, file: Path) -> None:
    store.prepare()
    with store.engine.begin() as connection:
        connection.exec_driver_sql(f'ALTER TABLE predictions DROP COLUMN "{NAMES[-1]}"')
    with logging_to(store) as log:
        fill(log, 3)
    with store.engine.connect() as connection:
        column = connection.execute(select(predictions.c[NAMES[-1]])).scalars().all()
    assert sorted(column) == sorted(plausible_rows(3)[:, -1].tolist())


def test_no_url_is_no_log() -> None:
    assert open_log("", 1.0, 30.0) is None


def test_feedback_to_a_database_that_is_away_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(LogError):
        LogStore(f"sqlite:///{tmp_path / 'nowhere' / 'log.db'}").record("0" * 32, CLASSES[0])


@pytest.mark.parametrize("n", [1, 1000])
def test_feedback_knows_every_id_that_a_prediction_gets(n: int, store: LogStore) -> None:
    store.prepare()
    truth = Feedback(PredictionLog(store))
    ids = prediction_ids(n)
    store.insert([(name, 0.0, "x", "http", CLASSES[0], False, *[0.0] * (len(NAMES) + len(CLASSES))) for name in ids])
    assert all(asyncio.run(truth.record(name, CLASSES[0])) for name in ids[:50])
