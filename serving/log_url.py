"""Where the prediction log lies: PREDICTION_LOG_URL understood and checked, without SQLAlchemy's weight."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

# Relative to the folder that is served from, as SQLAlchemy has it.
DEFAULT_URL = "sqlite:///var/predictions.db"
_SQLITE = "sqlite:///"
_POSTGRES = re.compile(
    r"postgres(?:ql)?(?:\+psycopg)?://(?P<rest>(?:[^@/]*@)?[^@/:]*(?::(?P<port>[0-9]+))?/[^/?]*(?:\?.*)?)"
)
_PASSWORD = re.compile(r"(?<=:)[^:@/]*(?=@)")


class LogError(Exception):
    """The prediction log cannot be used. The message is one sentence for whoever starts the server."""


def driver_url(url: str) -> str:
    """Return the URL with the driver that we ship: postgresql:// is postgresql+psycopg://.

    Raises:
        LogError: it is neither SQLite's nor PostgreSQL's.
    """
    if sqlite_file(url):
        return url
    found = _POSTGRES.fullmatch(url)
    if not found or int(found["port"] or 1) not in range(1, 65536):
        # The name alone: a mistyped password must not end in a terminal or a log.
        raise LogError(
            f"PREDICTION_LOG_URL is {_PASSWORD.sub('***', url)!r}; expected sqlite:///file or "
            "postgresql://user:password@host:port/database"
        )
    return f"postgresql+psycopg://{found['rest']}"


def sqlite_file(url: str) -> Path | None:
    """Return the file of a SQLite URL, None for another database."""
    file = url.removeprefix(_SQLITE)
    return Path(file) if file != url and file and not file.startswith(":") else None


def check(url: str) -> None:
    """See that the log can be written. Makes the folder of a SQLite file.

    A database server is not asked: one that is away when the service starts may be back a moment later, and its absence
    must not keep predictions from being served. A locked SQLite file is likewise no reason.

    Raises:
        LogError: the URL means nothing, or the file can never be written.
    """
    file = sqlite_file(driver_url(url))
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(file, timeout=1)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL):
            return
        raise LogError(f"PREDICTION_LOG_URL: {file} cannot be written: {error}") from error
    except OSError as error:
        raise LogError(f"PREDICTION_LOG_URL: {file.parent} cannot be made: {error.strerror}") from error
