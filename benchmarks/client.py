"""The process that makes the load and measures: `python -m benchmarks.client SPEC`, one JSON line out.

It is a process of its own so that what the harness does between two loads is not in the way.
"""

import asyncio
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from benchmarks.lanes import LANES
from benchmarks.load import Connection, GrpcConnection, HttpConnection, Taken, WrongAnswerError, closed, opened
from benchmarks.usage import cpu_seconds
from serving.model import Floats

_TOLERANCE = 1e-9
_LONGEST_ERROR = 300
_POOL = 128  # connections of an open load
_REQUESTS = 64  # different ones, asked in turn


@dataclass(frozen=True)
class Spec:
    """One load.

    Args:
        lane: a name in `benchmarks.lanes`.
        pid: the server's.
        rows: in each request.
        connections: that ask in turn; with a rate, as many as it needs.
        rate: requests per second of an open load; 0 is a closed one.
        warm_up: seconds before the `seconds` that count.
        requests: ends a closed load when there were so many; 0 leaves that to the clock.
        truth: folder with rows.npy [n, d] and probabilities.npy [n, K].
    """

    lane: str
    port: int
    pid: int
    truth: str
    rows: int = 1
    connections: int = 16
    rate: float = 0
    seconds: float = 3
    warm_up: float = 1
    requests: int = 0


def load(spec: Spec) -> dict[str, Any]:
    """Load the server and return what it took.

    Returns:
        `requests`, `seconds`, `cpu_us` of the server for each request, and `p50_ms`, `p99_ms`, `p999_ms`.

    Raises:
        WrongAnswerError: an answer is not 200, or its probabilities are not the model's.
    """
    lane = LANES[spec.lane]
    rows, truth = (np.load(Path(spec.truth) / f"{name}.npy") for name in ("rows", "probabilities"))
    parts = [slice(i * spec.rows, (i + 1) * spec.rows) for i in range(min(_REQUESTS, len(rows) // spec.rows))]
    requests = [lane.request(rows[part]) for part in parts]
    # grpc.aio polls by itself, and with uvloop only gets slower.
    with asyncio.Runner(loop_factory=None if lane.grpc else uvloop.new_event_loop) as runner:
        taken, cpu = runner.run(_run(spec, requests))
    if lane.probabilities:
        for index, answer in taken.kept:
            compare(lane.probabilities(answer), truth[parts[index]])
    latencies = np.array(taken.latencies) * 1e3
    p50, p99, p999 = np.percentile(latencies, (50, 99, 99.9))
    return {
        "requests": len(latencies),
        "seconds": taken.seconds,
        "cpu_us": cpu / len(latencies) * 1e6,
        "p50_ms": p50,
        "p99_ms": p99,
        "p999_ms": p999,
    }


async def _run(spec: Spec, requests: list[bytes]) -> tuple[Taken, float]:
    lane = LANES[spec.lane]

    def connect() -> Connection:
        return GrpcConnection(spec.port, lane.grpc) if lane.grpc else HttpConnection(spec.port)

    connections = [connect() for _ in range(_POOL if spec.rate else spec.connections)]
    try:
        async with asyncio.timeout(10 * (spec.warm_up + spec.seconds) + 60):
            for seconds in (spec.warm_up, spec.seconds) if spec.warm_up else (spec.seconds,):
                before = cpu_seconds(spec.pid)
                if spec.rate:
                    taken = await opened(connections, requests, seconds, spec.rate)
                else:
                    taken = await closed(connections, requests, seconds, spec.requests)
        return taken, cpu_seconds(spec.pid) - before
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))


def compare(answer: Floats, truth: Floats) -> None:
    """Raise WrongAnswerError unless these are the probabilities [n, K] that the model gives."""
    if answer.shape != truth.shape or not np.allclose(answer, truth, rtol=0, atol=_TOLERANCE):
        raise WrongAnswerError(f"the answer {answer[:3].tolist()} should be {truth[:3].tolist()}")


def main(argument: str) -> None:
    spec = Spec(**json.loads(argument))
    try:
        print(json.dumps(load(spec)))
    except (WrongAnswerError, ExceptionGroup, TimeoutError) as error:
        cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
        print(json.dumps({"error": " ".join(f"{type(cause).__name__}: {cause}".split())[:_LONGEST_ERROR]}))


def argument(spec: Spec) -> str:
    return json.dumps(asdict(spec))


if __name__ == "__main__":
    main(sys.argv[1])
