"""Real servers for tests: on 127.0.0.1, on a free port, ended by their own pid."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import httpx
from grpc_health.v1 import health_pb2

from tests.processes import started, stop

ROOT = Path(__file__).parent.parent
DEFAULTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Server:
    """A running server: `url` without a last slash, `process` of its master, `log` that it writes to."""

    url: str
    process: "subprocess.Popen[bytes]"
    log: Path
    grpc: str = ""  # its address, as host:port


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_ready(server: Server, seconds: float = 120) -> None:
    """Wait until the server answers requests. Fails with what it printed if that does not happen."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.process.poll() is None:
        with suppress(httpx.TransportError):
            # Whether the certificate is right is for a test to ask, not for this wait.
            if httpx.get(f"{server.url}/readyz", timeout=5, verify=False).is_success:  # noqa: S501
                return
        time.sleep(0.1)
    raise AssertionError(f"{server.url} is not ready:\n{server.log.read_text()}")


def bentoml_serve(
    home: Path, port: int, settings: Mapping[str, str], target: str = "service:GenderClassifier"
) -> tuple[list[str], dict[str, str]]:
    """Return the command that serves from the model store of a BENTOML_HOME, and its environment."""
    command = [sys.executable, "-m", "bentoml", "serve", target, "--host", "127.0.0.1", "--port", str(port)]
    own = {"BENTOML_HOME": str(home), "BENTOML_DO_NOT_TRACK": "True", "GRPC_PORT": str(free_port())}
    # No log in this folder but where a test asks for one.
    own["PREDICTION_LOG_URL"] = ""
    return command, {**os.environ, **own, **settings}


@contextmanager
def serving(
    home: Path,
    log: Path,
    settings: Mapping[str, str] = DEFAULTS,
    target: str = "service:GenderClassifier",
    folder: Path = ROOT,
) -> Iterator[Server]:
    """Serve until the block ends, then see to it that SIGTERM leaves nothing running.

    Args:
        settings: environment variables of the server.
    """
    port = free_port()
    command, environment = bentoml_serve(home, port, settings, target)
    grpc = f"127.0.0.1:{environment['GRPC_PORT']}"
    with started(command, folder, environment, log) as process:
        server = Server(f"{'https' if 'TLS_CERT' in settings else 'http'}://127.0.0.1:{port}", process, log, grpc)
        wait_ready(server)
        yield server
        if process.poll() is None:
            assert not stop(process, signal.SIGTERM), "the server left processes behind"


def grpc_health(channel: grpc.Channel, service: str = "") -> int:
    """Ask the standard health service; return its ServingStatus."""
    check: Any = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        health_pb2.HealthCheckRequest.SerializeToString,
        health_pb2.HealthCheckResponse.FromString,
    )
    status: int = check(health_pb2.HealthCheckRequest(service=service), timeout=20).status
    return status
