"""The log under faults: no prediction fails, the losses are counted, what is there can be read."""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select
from sqlalchemy.exc import DatabaseError

from serving.log_store import LogStore, predictions
from serving.schema import CLASSES
from tests.databases import postgres
from tests.models import as_rows, plausible_rows
from tests.processes import stop
from tests.servers import Server, serving
from tests.tools import missing

pytestmark = pytest.mark.slow
MANY = {"rows": as_rows(plausible_rows(10_000))}


def metric(server: Server, name: str) -> float:
    text = httpx.get(f"{server.url}/metrics").text
    return sum(s.value for f in text_string_to_metric_families(text) for s in f.samples if s.name == name)


def predict(server: Server) -> list[str]:
    answer = httpx.post(f"{server.url}/predict", json=MANY, timeout=60)
    return [each["prediction_id"] for each in answer.raise_for_status().json()]


def count(url: str) -> int:
    """Return how many predictions are in the log; none if it was not made yet."""
    store = LogStore(url)
    try:
        with store.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(predictions)).scalar_one()
    except DatabaseError:
        return 0
    finally:
        store.engine.dispose()


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it did not happen in 60 s"
        time.sleep(0.1)


def test_a_killed_service_loses_a_quarter_of_a_second(home: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/log.db"
    answered: list[tuple[float, str]] = []
    failed = threading.Event()

    def ask(server: Server, row: dict[str, float]) -> None:
        with httpx.Client(base_url=server.url) as client:
            try:
                while True:
                    name = client.post("/predict_one", json=row).raise_for_status().json()["prediction_id"]
                    answered.append((time.time(), name))
            except httpx.TransportError:
                failed.set()

    with serving(home, tmp_path / "log", {"PREDICTION_LOG_URL": url, "WORKERS": "2"}) as server:
        threads = [threading.Thread(target=ask, args=(server, row)) for row in as_rows(plausible_rows(4))]
        for thread in threads:
            thread.start()
        eventually(lambda: len(answered) > 2000)
        killed = time.time()
        stop(server.process, signal.SIGKILL)
        for thread in threads:
            thread.join()
    assert failed.is_set()
    store = LogStore(url)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        kept = set(connection.execute(select(predictions.c.prediction_id)).scalars())
    store.engine.dispose()
    lost = [when for when, name in answered if name not in kept]
    assert all(when > killed - 0.25 for when in lost), killed - min(lost)
    assert len(kept) > 1000


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of 16 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk to fill")
    folder.mkdir()
    mount = shutil.which("mount") or missing("mount is not installed: apt install mount")
    mounted = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        missing("this machine does not let root mount a tmpfs, as a disk to fill")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(file: Path) -> None:
    """Write until the disk is full."""
    # Unbuffered: nothing is left that closing the file would write.
    with file.open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(b"x" * 4096):
            pass


def test_a_full_disk_fails_no_prediction_and_is_recovered_from(home: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        url = f"sqlite:///{disk}/log.db"
        with serving(home, tmp_path / "log", {"PREDICTION_LOG_URL": url}) as server:
            predict(server)
            eventually(lambda: count(url) == 10_000)
            fill(disk / "ballast")
            made = 10_000 + sum(len(predict(server)) for _ in range(11))
            eventually(lambda: metric(server, "prediction_log_dropped_total") > 0)
            assert count(url) >= 10_000
            small = {"prediction_id": predict(server)[0], "actual": CLASSES[0]}
            made += 10_000
            assert httpx.post(f"{server.url}/feedback", json=small, timeout=30).status_code == 503
            (disk / "ballast").unlink()
            subprocess.run(["mount", "-o", "remount,size=128m", disk], check=True)
            eventually(lambda: metric(server, "prediction_log_pending") == 0)
            made += len(predict(server))
            eventually(lambda: count(url) + metric(server, "prediction_log_dropped_total") == made)
        assert "cannot write and tries again" in (tmp_path / "log").read_text()


def test_postgresql_stopped_and_started(home: Path, tmp_path: Path) -> None:
    with (
        postgres() as database,
        serving(home, tmp_path / "log", {"PREDICTION_LOG_URL": database.url}) as server,
    ):
        made = len(predict(server))
        eventually(lambda: count(database.url) == made)
        database.stop()
        names = [predict(server)[0] for _ in range(2)]
        made += 20_000
        body = {"prediction_id": names[0], "actual": CLASSES[0]}
        assert httpx.post(f"{server.url}/feedback", json=body, timeout=30).status_code == 503
        assert httpx.get(f"{server.url}/readyz").is_success
        database.start()
        eventually(lambda: count(database.url) == made)
        assert httpx.post(f"{server.url}/feedback", json=body, timeout=30).status_code == 200
        assert metric(server, "prediction_log_dropped_total") == 0


def test_a_database_that_is_away_at_the_start_is_waited_for(home: Path, tmp_path: Path) -> None:
    with postgres() as database:
        database.stop()
        with serving(home, tmp_path / "log", {"PREDICTION_LOG_URL": database.url}) as server:
            made = len(predict(server))
            database.start()
            eventually(lambda: count(database.url) == made)
