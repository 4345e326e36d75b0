import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from serving import log_url
from serving.log_url import LogError


def test_the_folder_is_made(tmp_path: Path) -> None:
    log_url.check(f"sqlite:///{tmp_path}/new/folder/log.db")
    assert (tmp_path / "new" / "folder").is_dir()


def test_a_locked_file_is_no_reason_to_refuse(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        log_url.check(f"sqlite:///{tmp_path}/log.db")


@pytest.mark.parametrize("url", ["postgresql://u:p@h:5432/d", "postgres://h/d", "postgresql+psycopg:///d?host=/run"])
def test_postgresql_gets_our_driver_and_is_not_asked(url: str) -> None:
    assert log_url.driver_url(url).startswith("postgresql+psycopg://")
    log_url.check(url)


@pytest.mark.parametrize(
    "url", ["predictions.db", "sqlite://", "sqlite:///:memory:", "mysql://h/d", "postgresql://h:70000/d", "postgresql:"]
)
def test_another_url_is_refused_in_one_sentence(url: str) -> None:
    with pytest.raises(LogError, match=r"^PREDICTION_LOG_URL is .*; expected sqlite:///file or postgresql://"):
        log_url.check(url)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(LogError) as caught:
        log_url.check("postgresql+asyncpg://me:secret@host/db")
    assert "secret" not in str(caught.value)
    assert "me:***@host" in str(caught.value)


def test_a_file_that_can_never_be_written_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.db"
    text.write_text("this is not a database at all")
    with pytest.raises(LogError, match=r"text\.db cannot be written: file is not a database"):
        log_url.check(f"sqlite:///{text}")
    with pytest.raises(LogError, match=r"text\.db cannot be made: (Not a directory|File exists)"):
        log_url.check(f"sqlite:///{text}/log.db")
    with pytest.raises(LogError, match="cannot be written: unable to open"):
        log_url.check(f"sqlite:///{tmp_path}")
    with pytest.raises(LogError, match=r"/proc/log cannot be made"):
        log_url.check("sqlite:////proc/log/log.db")
