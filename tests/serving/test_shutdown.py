"""Ending: SIGTERM loses no request, a killed worker loses only its own, too many requests at once are told so early."""

import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from grpc_health.v1 import health_pb2

from tests.models import as_rows
from tests.servers import Server, grpc_health, serving
from tests.serving.load import ROWS, load

pytestmark = pytest.mark.slow

BODY = json.dumps(as_rows(ROWS)[0]).encode()


def status(server: Server, path: str) -> int:
    return httpx.get(f"{server.url}{path}", timeout=20).status_code


def wait_until(server: Server, path: str, wanted: int) -> None:
    while status(server, path) != wanted:
        assert server.process.poll() is None, server.log.read_text()


def test_sigterm_says_not_ready_first_and_loses_no_request(home: Path, tmp_path: Path) -> None:
    settings = {"WORKERS": "2", "SHUTDOWN_DELAY_SECONDS": "4"}
    with serving(home, tmp_path / "log", settings) as server:
        with grpc.insecure_channel(server.grpc) as channel, load(server) as seen:
            while len(seen.answers) < 200:
                time.sleep(0.05)
            server.process.send_signal(signal.SIGTERM)
            # Both workers have heard of it when neither protocol is ready, while both still answer.
            wait_until(server, "/readyz", 503)
            wait_until(server, "/v2/health/ready", 503)
            assert status(server, "/livez") == 200
            while grpc_health(channel) != health_pb2.HealthCheckResponse.NOT_SERVING:
                assert server.process.poll() is None
            answered = len(seen.answers)
            while len(seen.answers) < answered + 50:
                time.sleep(0.05)
            # Here a load balancer sends no more.
            seen.stop.set()
        assert seen.failures == []
        assert server.process.wait(30) == 0


def test_sigterm_finishes_what_is_in_flight_and_waits_no_longer_than_it_may(home: Path, tmp_path: Path) -> None:
    with serving(home, tmp_path / "log", {"SHUTDOWN_TIMEOUT_SECONDS": "3"}) as server:
        host, port = server.url.removeprefix("http://").split(":")
        head = "POST /predict_one HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
        with (
            socket.create_connection((host, int(port)), 20) as slow,
            socket.create_connection((host, int(port)), 20) as never,
        ):
            for connection in (slow, never):
                connection.sendall(head.format(len(BODY)).encode() + BODY[:-1])
            # Served after both, so both have been read.
            assert status(server, "/livez") == 200
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            slow.sendall(BODY[-1:])
            answer = slow.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert server.process.wait(30) == 0


def test_a_killed_worker_is_replaced_and_the_other_goes_on(home: Path, tmp_path: Path) -> None:
    with serving(home, tmp_path / "log", {"WORKERS": "2"}) as server:
        master = psutil.Process(server.process.pid)
        with load(server) as seen:
            while len(seen.answers) < 200:
                time.sleep(0.05)
            victim = master.children()[0]
            victim.kill()
            answered = len(seen.answers)
            while len(seen.answers) < answered + 500:
                time.sleep(0.05)
            while len(master.children()) < 2 or victim.pid in [child.pid for child in master.children()]:
                time.sleep(0.1)
        # Each client lost what it had in flight; gRPC's may have written one more to the connection that was dead.
        assert all("UNAVAILABLE" in each or "Error" in each for each in seen.failures), seen.failures
        assert sum("_over_http" in each for each in seen.failures) <= 3, seen.failures
        assert sum("_over_grpc" in each for each in seen.failures) <= 6, seen.failures


def test_overload_is_told_early_and_passes(home: Path, tmp_path: Path) -> None:
    with serving(home, tmp_path / "log", {"MAX_CONCURRENCY": "2"}) as server:
        # Calls of /predict hold their places while they gather: of twelve at once some find both taken.
        def ask(_: int) -> int:
            return httpx.post(f"{server.url}/predict", json={"rows": as_rows(ROWS)}, timeout=60).status_code

        with ThreadPoolExecutor(12) as pool:
            assert set(pool.map(ask, range(120))) == {200, 429}
        assert {ask(0) for _ in range(20)} == {200}
