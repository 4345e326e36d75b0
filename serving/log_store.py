"""The tables of the prediction log and every statement on them. Imported only where a log is kept: SQLAlchemy is heavy.

Both tables are keyed by the prediction's id, which begins with its time: the newest rows lie together, a span of time
is a span of ids, and no second index slows the writing down.
"""

import time
from collections.abc import Sequence
from itertools import chain
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    Engine,
    MetaData,
    String,
    Table,
    create_engine,
    delete,
    event,
    func,
    inspect,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError, SQLAlchemyError

from serving.log_url import LogError, driver_url, sqlite_file
from serving.schema import CLASSES, NAMES

_ID = String(32).with_variant(String(32, collation="C"), "postgresql")
PROBABILITIES = tuple(f"probability_{name}" for name in CLASSES)

# Rows in one INSERT: a power of two, see `insert`.
_MOST_AT_ONCE = 256

# One writes, two take feedback, one asks for the page.
_CONNECTIONS = 4

metadata = MetaData()
predictions = Table(
    "predictions",
    metadata,
    Column("prediction_id", _ID, primary_key=True),
    Column("time", Double, nullable=False, comment="seconds since 1970"),
    Column("model", String(200), nullable=False, comment="tag"),
    Column("protocol", String(20), nullable=False),
    Column("label", String(100), nullable=False),
    Column("outlier", Boolean(create_constraint=False), nullable=False),
    # Nullable: a log outlives the schema, and a row of another one leaves these empty.
    *(Column(name, Double) for name in (*NAMES, *PROBABILITIES)),
    sqlite_with_rowid=False,
)
feedback = Table(
    "feedback",
    metadata,
    Column("prediction_id", _ID, primary_key=True),
    Column("actual", String(100), nullable=False),
    Column("time", Double, nullable=False, comment="seconds since 1970"),
    sqlite_with_rowid=False,
)
COLUMNS = tuple(column.name for column in predictions.columns)


def first_id(when: float) -> str:
    """Return what every id made at or after `when` (seconds since 1970) compares greater than or equal to."""
    return f"{max(0, int(when * 1000)):012x}"


class LogStore:
    """The log in one database. Safe to use from several threads; methods raise SQLAlchemyError.

    Args:
        url: of SQLite or PostgreSQL.
    """

    def __init__(self, url: str) -> None:
        url = driver_url(url)
        self._file = sqlite_file(url)
        self._identity: tuple[int, int] | None = None
        self._prepared = False
        self.engine = _sqlite(url) if self._file else _postgresql(url)
        mark = "?" if self._file else "%s"
        self._names = ", ".join(f'"{name}"' for name in COLUMNS)
        self._marks = f"({', '.join([mark] * len(COLUMNS))})"

    def prepare(self) -> None:
        """Create what is missing: the folder, the tables, columns of features that came since."""
        self.engine.dispose()
        if self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
        try:
            metadata.create_all(self.engine)
            self._add_columns()
        except (IntegrityError, OperationalError, ProgrammingError):
            # Another worker was creating the same at the same moment.
            metadata.create_all(self.engine)
            self._add_columns()
        self._identity = self._inode()
        self._prepared = True

    def _add_columns(self) -> None:
        there = {column["name"] for column in inspect(self.engine).get_columns(predictions.name)}
        with self.engine.begin() as connection:
            for name in (name for name in (*NAMES, *PROBABILITIES) if name not in there):
                connection.exec_driver_sql(f'ALTER TABLE predictions ADD COLUMN "{name}" DOUBLE PRECISION')

    @property
    def ready(self) -> bool:
        """Whether `prepare` has been through."""
        return self._prepared

    def vanished(self) -> bool:
        """Tell whether the SQLite file is no longer the one that is open: its rows would go to nowhere, silently."""
        return self._file is not None and self._inode() != self._identity

    def _inode(self) -> tuple[int, int] | None:
        try:
            found = self._file.stat() if self._file else None
        except OSError:
            return None
        return (found.st_dev, found.st_ino) if found else None

    def insert(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows, each as `COLUMNS`, in one transaction. One whose id is there is left as it is.

        Many in one statement, since SQLite's driver gives way to other threads at every step of a statement: with a row
        in each, the thread that answers requests and this one would take turns for every row. In powers of two, so that
        there are few statements to prepare.
        """
        start = 0
        with self.engine.begin() as connection:
            while left := len(rows) - start:
                n = min(_MOST_AT_ONCE, 1 << left.bit_length() - 1)
                values = tuple(chain.from_iterable(rows[start : start + n]))
                connection.exec_driver_sql(self._insert(n), values)
                start += n

    def _insert(self, n: int) -> str:
        marks = ", ".join([self._marks] * n)
        # Again after a connection broke: a batch that had arrived after all is not written twice.
        return f"INSERT INTO predictions ({self._names}) VALUES {marks} ON CONFLICT DO NOTHING"  # noqa: S608

    def record(self, prediction_id: str, actual: str) -> bool:
        """Keep the true label of a prediction; the last one wins. False if there is no such prediction.

        Raises:
            LogError: the database cannot be asked.
        """
        insert = sqlite.insert if self._file else postgresql.insert
        found = select(predictions.c.prediction_id, literal(actual), literal(time.time())).where(
            predictions.c.prediction_id == prediction_id
        )
        statement = insert(feedback).from_select(list(feedback.columns.keys()), found)
        change = {"actual": statement.excluded.actual, "time": statement.excluded.time}
        upsert = statement.on_conflict_do_update(index_elements=["prediction_id"], set_=change)
        try:
            with self.engine.begin() as connection:
                # Not every driver keeps the count of an INSERT without being asked.
                return connection.execute(upsert, execution_options={"preserve_rowcount": True}).rowcount > 0
        except SQLAlchemyError as error:
            raise LogError(str(error)) from error

    def labelled(self, model: str, since: float) -> tuple[int, int]:
        """Return how many predictions of a model since a time have a true label, and how many of them were right.

        Raises:
            LogError: the database cannot be asked.
        """
        joined = feedback.join(predictions, predictions.c.prediction_id == feedback.c.prediction_id)
        right = func.count().filter(predictions.c.label == feedback.c.actual)
        # Of both tables: there are fewer labels than predictions, and either may be where the database begins.
        recent = (table.c.prediction_id >= first_id(since) for table in (feedback, predictions))
        query = select(func.count(), right).select_from(joined).where(*recent, predictions.c.model == model)
        try:
            with self.engine.connect() as connection:
                found = connection.execute(query).one()
        except SQLAlchemyError as error:
            raise LogError(str(error)) from error
        return int(found[0]), int(found[1])

    def delete_before(self, when: float, most: int) -> int:
        """Delete at most `most` predictions made before `when` (seconds since 1970), and feedback; return how many."""
        oldest = (
            select(predictions.c.prediction_id)
            .where(predictions.c.prediction_id < first_id(when))
            .order_by(predictions.c.prediction_id)
            .limit(most)
        )
        with self.engine.begin() as connection:
            ids = connection.execute(oldest).scalars().all()
            if ids:
                # The ids are in order, so this span holds nothing else; and feedback alone is of no use.
                for table in (feedback, predictions):
                    connection.execute(delete(table).where(table.c.prediction_id <= ids[-1]))
        return len(ids)


def _sqlite(url: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 2}, pool_size=_CONNECTIONS, max_overflow=0, pool_timeout=5)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: object) -> None:
        # A reader does not wait for a writer. A killed process loses nothing, a power cut the last transactions only.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    return engine


def _postgresql(url: str) -> Engine:
    # A server that vanished without a word is given up after seconds, not the two hours of TCP.
    patience = {"connect_timeout": 3, "tcp_user_timeout": 5000, "keepalives_idle": 5, "keepalives_interval": 2}
    return create_engine(
        url,
        connect_args=patience,
        pool_size=_CONNECTIONS,
        max_overflow=0,
        pool_timeout=5,
        pool_pre_ping=True,
        pool_recycle=1800,
    )
