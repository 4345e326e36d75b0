"""A rolling update under load: two containers behind deploy/haproxy, sharing a PostgreSQL, lose nothing."""

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.databases import postgres
from tests.packaging.conftest import home_with, made_image
from tests.processes import started
from tests.servers import ROOT, Server, free_port, wait_ready
from tests.serving.load import Load, load
from tests.tools import require_tool

pytestmark = pytest.mark.slow

CONFIGURATION = ROOT / "deploy" / "haproxy" / "haproxy.cfg"
# As its comment says.
DELAY = "5"
CLIENTS = 8


@pytest.fixture(scope="module")
def newer(engine: str, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The name of an image with another model, and the tag of that model. After `image`, whose layers it shares."""
    home = home_with(1, tmp_path_factory)
    version = (home / "models" / "gender_classifier" / "latest").read_text()
    with made_image(engine, home, "newer") as name:
        yield name, f"gender_classifier:{version}"


@contextmanager
def bridge(engine: str, image: str) -> Iterator[str]:
    """Yield the address at which containers reach this machine. It is there as long as one of them runs: this one."""
    run = [engine, "run", "--detach", "--entrypoint=sleep", image, "infinity"]
    container = subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()
    try:
        inspect = [engine, "inspect", "--format={{.NetworkSettings.Gateway}}", container]
        yield subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
    finally:
        subprocess.run([engine, "rm", "--force", container], capture_output=True, check=True)


class Replica:
    """A place behind the balancer, in which a container of one image or of another runs."""

    def __init__(self, engine: str, log_url: str) -> None:
        self._engine = engine
        self._settings = {"SHUTDOWN_DELAY_SECONDS": DELAY, "PREDICTION_LOG_URL": log_url}
        self.http, self.grpc = (f"127.0.0.1:{free_port()}" for _ in range(2))
        self._container = ""

    def run(self, image: str) -> None:
        environment = [f"--env={name}={value}" for name, value in self._settings.items()]
        ports = [f"--publish={self.http}:3000", f"--publish={self.grpc}:3001"]
        run = [self._engine, "run", "--detach", *environment, *ports, image]
        self._container = subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()

    def stop(self) -> None:
        subprocess.run([self._engine, "stop", "--time=40", self._container], capture_output=True, check=True)
        ended = [self._engine, "inspect", "--format={{.State.ExitCode}}", self._container]
        assert subprocess.run(ended, capture_output=True, text=True, check=True).stdout.strip() == "0"
        self.remove()

    def remove(self) -> None:
        if self._container:
            subprocess.run([self._engine, "rm", "--force", self._container], capture_output=True, check=True)
            self._container = ""


@contextmanager
def balancer(replicas: list[Replica], log: Path) -> Iterator[Server]:
    haproxy = require_tool("haproxy", "apt install haproxy")
    http, grpc = (f"127.0.0.1:{free_port()}" for _ in range(2))
    one, two = replicas
    own = {"ONE_HTTP": one.http, "ONE_GRPC": one.grpc, "TWO_HTTP": two.http, "TWO_GRPC": two.grpc}
    environment = {**os.environ, **own, "HTTP": http, "GRPC": grpc}
    with started([haproxy, "-db", "-f", CONFIGURATION], ROOT, environment, log) as process:
        server = Server(f"http://{http}", process, log, grpc)
        wait_ready(server)
        yield server


def answered(seen: Load, models: Callable[[set[str]], bool], answers: int = 300) -> None:
    """Wait until the last `answers` answers came from models of which this is true."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        last = seen.answers[-answers:]
        if len(last) == answers and models({model for model, _ in last}):
            return
        assert not seen.failures, seen.failures
        time.sleep(0.1)
    raise AssertionError(f"after two minutes: {Counter(model for model, _ in seen.answers[-answers:])}")


def test_rolling_update_under_load_loses_no_request_and_no_prediction(
    engine: str, image: str, model: str, newer: tuple[str, str], tmp_path: Path
) -> None:
    newer_image, newer_model = newer
    with ExitStack() as stack:
        database = stack.enter_context(postgres(stack.enter_context(bridge(engine, image))))
        replicas = [Replica(engine, database.url) for _ in range(2)]
        for replica in replicas:
            stack.callback(replica.remove)
            replica.run(image)
        entry = stack.enter_context(balancer(replicas, tmp_path / "log"))
        with load(entry, CLIENTS) as seen:
            answered(seen, lambda models: models == {model})
            for replica in replicas:
                replica.stop()
                replica.run(newer_image)
                # Not the next one before the new one has its share.
                answered(seen, lambda models: newer_model in models)
            answered(seen, lambda models: models == {newer_model})
        assert seen.failures == []
        models = [answer[0] for answer in seen.answers]
        assert set(models) == {model, newer_model}
        for replica in replicas:
            # What a replica has yet to write into the log, it writes now.
            replica.stop()
        with psycopg.connect(database.url) as connection:
            rows = connection.execute("SELECT model, count(*) FROM predictions GROUP BY model").fetchall()
    assert dict(rows) == Counter(models)
