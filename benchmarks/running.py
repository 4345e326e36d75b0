"""Starting a peer, asking it for a load, stopping it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from benchmarks import client, environments
from benchmarks.lanes import LANES
from benchmarks.peers import Peer
from benchmarks.usage import Memory, memory

_SERVERS = Path(__file__).parent / "servers"
_PROJECT = Path(__file__).parent.parent
_READY_SECONDS = 180.0


class PeerError(Exception):
    """A server did not start or did not answer. The message is for whoever runs the benchmark."""


def ended_by_signals() -> None:
    """Let Ctrl-C and SIGTERM end this program as an exception does, which stops the servers it has started."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))


@dataclass(frozen=True)
class Running:
    """A server that takes requests: `ready` seconds after it was started, with `idle` memory."""

    peer: Peer
    pid: int
    port: int
    grpc_port: int
    ready: float
    idle: Memory


@contextmanager
def running(peer: Peer, scratch: Path, sink_port: int = 0) -> Iterator[Running]:
    """Start a peer and see to it that nothing of it is left.

    Args:
        scratch: holds model.json, and a folder for every peer.
        sink_port: where traces can go.

    Raises:
        PeerError: it ended or was not ready in time; with the end of what it printed.
    """
    programs = environments.ready(peer.environment)
    folder = scratch / peer.name.replace(" ", "-")
    folder.mkdir(parents=True, exist_ok=True)
    port, grpc_port, other_port = free_ports(3)
    places = {"port": port, "grpc_port": grpc_port, "other_port": other_port, "folder": folder, "sink_port": sink_port}

    def filled(words: Sequence[str]) -> list[str]:
        return [word.format(**places) for word in words]

    variables = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "BENCH_MODEL": str(scratch / "model.json"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **{name: value.format(**places) for name, value in peer.variables.items()},
    }
    variables.pop("VIRTUAL_ENV", None)
    home = _PROJECT if peer.environment == environments.OURS else _SERVERS
    if peer.prepare:
        _prepare(filled(peer.prepare), home, variables, programs)
    log = folder / "log"
    with log.open("wb") as output:
        [program, *arguments] = filled(peer.command)
        begin = time.monotonic()
        process = subprocess.Popen(
            [programs / program, *arguments],
            cwd=home,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        while not (_answers(port, peer.ready) if peer.ready else _listens(grpc_port)):
            if process.poll() is not None or time.monotonic() > begin + _READY_SECONDS:
                raise PeerError(f"{peer.name} did not start:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.01)
        ready = time.monotonic() - begin
        yield Running(peer, process.pid, port, grpc_port, ready, memory(process.pid))
    finally:
        stop(process)


def measure(server: Running, lane: str, truth: Path, **load: Any) -> dict[str, Any]:
    """Put a load on a lane, in a process of its own.

    Args:
        load: fields of `client.Spec`.

    Returns:
        What `client.load` returns, or `{"error": sentence}`.
    """
    port = server.grpc_port if LANES[lane].grpc else server.port
    spec = client.Spec(lane=lane, port=port, pid=server.pid, truth=str(truth), **load)
    command = [sys.executable, "-m", "benchmarks.client", client.argument(spec)]
    done = subprocess.run(command, cwd=_PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PeerError(f"the load on {server.peer.name}, {lane}, failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a server and what it started: politely, and after ten seconds not."""
    everyone = _family(process.pid)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    _, left = psutil.wait_procs(everyone, timeout=10)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()


def free_ports(n: int) -> list[int]:
    """Return n different ports that nobody listens on now."""
    probes = [socket.socket() for _ in range(n)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return []


def _prepare(command: list[str], folder: Path, variables: dict[str, str], programs: Path) -> None:
    done = subprocess.run(
        [programs / command[0], *command[1:]], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PeerError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


def _answers(port: int, path: str) -> bool:
    with suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False
