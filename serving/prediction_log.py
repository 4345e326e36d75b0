"""The durable log of predictions: a call hands its arrays over within microseconds, a thread writes them."""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from serving.log_metrics import log_metrics
from serving.model import Floats
from serving.schema import CLASSES

if TYPE_CHECKING:
    from serving.log_store import LogStore
    from serving.predictor import Predictions

logger = logging.getLogger("bentoml.service")

# A killed process loses what waits: with the time a write takes, never more than 250 ms.
TICK_SECONDS = 0.1
# Rows of a transaction: two INSERTs of `log_store`.
BATCH_ROWS = 512
MOST_ROWS = 100_000  # waiting, ~25 MB
_BACKOFF_SECONDS = (0.1, 0.5, 1.0)
_CLOSE_SECONDS = 5.0
_RETENTION_SECONDS = 60.0
_DAY = 86400.0
# Digits of an id that are random, and how many values they can have.
_RANDOM, _VALUES = slice(20, 28), 16**8

Row = tuple[object, ...]


class Call(NamedTuple):
    """n predictions as they were made: nothing is turned into rows while a client waits."""

    time: float
    answers: "Predictions"
    rows: Floats
    protocol: str

    def as_rows(self) -> list[Row]:
        """Return n rows as `log_store.COLUMNS`."""
        answers = self.answers
        labels, probabilities, outliers = answers.lists
        return [
            (name, self.time, answers.model, self.protocol, CLASSES[label], unlike, *features, *shares)
            for name, label, unlike, features, shares in zip(
                answers.ids, labels, outliers, self.rows.tolist(), probabilities, strict=True
            )
        ]


def sampled(prediction_id: str, share: float) -> bool:
    """Tell whether a prediction is among the share that is logged: by its id, so that every replica tells the same."""
    return share >= 1 or int(prediction_id[_RANDOM], 16) < share * _VALUES


def open_log(url: str, share: float, days: float) -> "PredictionLog | None":
    """Start the log in a database; None if the URL is empty. The arguments are those of `PredictionLog`."""
    if not url:
        return None
    # Not before a log is wanted: SQLAlchemy takes 13 MB of every worker.
    from serving.log_store import LogStore

    log = PredictionLog(LogStore(url), share, days)
    log.start()
    return log


class PredictionLog:
    """Takes predictions from one worker. Neither a full queue nor a database that fails reaches the caller.

    Args:
        store: takes the rows.
        share: of the predictions that are logged, above 0 to 1.
        days: after which they are deleted.
    """

    def __init__(self, store: "LogStore", share: float = 1.0, days: float = 30.0) -> None:
        self.store = store
        self._share = share
        self._days = days
        self._calls: deque[Call | Row] = deque()
        self.pending = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._failures = 0
        self._ready = False
        self._deleted = 0.0
        self._metrics = log_metrics()
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def add(self, answers: "Predictions", rows: Floats, protocol: str) -> None:
        """Hand over n answers and their rows, float64 [n, d]. Nothing may change later."""
        # Ids are made here and not in the other thread, where they might be others than those that the client gets.
        n = len(answers.ids)
        if self._fits(n):
            self._calls.append(Call(time.time(), answers, rows, protocol))

    def add_one(self, answers: "Predictions", row: Sequence[float], protocol: str) -> None:
        """Hand over one answer and its row, d floats."""
        if self._fits(1):
            score = answers.scores
            # As a row at once: kept until they are written, the objects behind an answer would be many times as many,
            # and the next requests would work in memory that no cache of the processor holds.
            name, label = answers.ids[0], CLASSES[score.label]
            self._calls.append(
                (name, time.time(), answers.model, protocol, label, score.outlier, *row, *score.probabilities)
            )

    def _fits(self, n: int) -> bool:
        """Take places for n rows, or count them as dropped."""
        with self._lock:
            pending = self.pending
            fits = pending + n <= MOST_ROWS
            if fits:
                self.pending = pending + n
        if not fits:
            self._metrics.dropped.inc(n)
        # Once for each batch that fills up, and not for every call while one is being written.
        elif pending < BATCH_ROWS <= pending + n:
            self._wake.set()
        return fits

    def takes(self, prediction_id: str) -> bool:
        """Tell whether a prediction of this id is among the share that is logged."""
        return sampled(prediction_id, self._share)

    def hurry(self) -> None:
        """Write what waits now: somebody asks for it."""
        self._wake.set()

    @property
    def behind(self) -> bool:
        """Whether the database does not take what is handed over."""
        return self._failures > 0 or self.pending > 10 * BATCH_ROWS

    def close(self) -> None:
        """Write what waits, for a few seconds at most; what does not make it is counted as dropped."""
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join(_CLOSE_SECONDS)
        if self.pending:
            self._metrics.dropped.inc(self.pending)
            logger.warning("the prediction log ends without %d predictions", self.pending)

    def _run(self) -> None:
        rows: list[Row] = []
        while self.pending or not self._stop.is_set():
            self._wake.wait(TICK_SECONDS)
            self._wake.clear()
            self._metrics.pending.set(self.pending)
            try:
                self._write(rows)
                self._retain()
            except Exception as error:
                # Whatever it is: if the thread ended, every later prediction would be lost.
                self._failed(error)
                if self._stop.is_set():
                    break
            else:
                self._failures = 0
            self._metrics.pending.set(self.pending)
        self.store.engine.dispose()

    def _write(self, rows: list[Row]) -> None:
        """Write everything that was handed over until now. `rows` keeps what a failure leaves, for the next time."""
        if not self._ready or self.store.vanished():
            self.store.prepare()
            self._ready = True
        # What comes meanwhile waits for the next time: by itself it would be written a few rows at a time.
        calls = len(self._calls)
        while rows or calls:
            while calls and len(rows) < BATCH_ROWS:
                calls -= 1
                call = self._calls.popleft()
                made = call.as_rows() if isinstance(call, Call) else [call]
                kept = made if self._share >= 1 else [row for row in made if sampled(str(row[0]), self._share)]
                rows += kept
                self._done(len(made) - len(kept))
            batch = rows[:BATCH_ROWS]
            self.store.insert(batch)
            del rows[:BATCH_ROWS]
            self._done(len(batch))

    def _done(self, rows: int) -> None:
        with self._lock:
            self.pending -= rows

    def _retain(self) -> None:
        """Delete one small step of what is too old, so that no write waits long for it."""
        if time.monotonic() < self._deleted:
            return
        deleted = self.store.delete_before(time.time() - self._days * _DAY, BATCH_ROWS)
        self._deleted = time.monotonic() + (0 if deleted == BATCH_ROWS else _RETENTION_SECONDS)

    def _failed(self, error: Exception) -> None:
        if not self._failures:
            logger.warning("the prediction log cannot write and tries again: %s", str(error).split("\n", 1)[0])
        self._ready = False
        wait = _BACKOFF_SECONDS[min(self._failures, len(_BACKOFF_SECONDS) - 1)]
        self._failures += 1
        # Not by `_wake`, which every full batch sets.
        self._stop.wait(wait)
