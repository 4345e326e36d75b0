"""`python -m benchmarks.soak`, which is `make soak`: many requests over all protocols; nothing may grow.

Watched are the memory of the worker, the series on /metrics, and the files that the server's processes hold open.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from benchmarks import truth
from benchmarks.peers import OUR_NAME, PEERS
from benchmarks.report import table
from benchmarks.running import PeerError, Running, ended_by_signals, measure, running
from benchmarks.usage import memory, open_files
from serving import store

# Memory at the end, as a multiple of memory after the first tenth.
_MOST_GROWTH = 1.05
_LONGEST_SECONDS = 600.0  # for one lane in one round


@dataclass(frozen=True)
class Sample:
    """The server after so many requests: MB of the worker, series, open files."""

    requests: int
    worker: float
    series: int
    files: int


def sample(server: Running, requests: int) -> Sample:
    with urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    series = sum(1 for line in lines if line and not line.startswith("#"))
    return Sample(requests, memory(server.pid).worker, series, open_files(server.pid))


def problems(samples: Sequence[Sample]) -> list[str]:
    """Say what grew after the first tenth of the requests."""
    last = samples[-1]
    early = next(each for each in samples if each.requests >= last.requests / 10)
    found = []
    if last.worker > _MOST_GROWTH * early.worker:
        found.append(f"memory went from {early.worker:.1f} to {last.worker:.1f} MB")
    if last.series > early.series:
        found.append(f"series went from {early.series} to {last.series}")
    if last.files > early.files:
        found.append(f"open files went from {early.files} to {last.files}")
    return found


def soak(requests: int, scratch: Path, rounds: int = 20) -> list[Sample]:
    """Ask this many times, a lane after the other in every round.

    Returns:
        A sample after each round.

    Raises:
        PeerError: an answer was wrong.
    """
    peer = next(peer for peer in PEERS if peer.name == OUR_NAME)
    each = -(-requests // (rounds * len(peer.lanes)))
    samples: list[Sample] = []
    with running(peer, scratch) as server:
        done = 0
        for _ in range(rounds):
            for lane in peer.lanes:
                said = measure(server, lane, scratch, requests=each, warm_up=0, seconds=_LONGEST_SECONDS)
                if "error" in said:
                    raise PeerError(f"{lane} after {done:,} requests: {said['error']}")
                done += said["requests"]
            samples.append(sample(server, done))
            print(f"{done:,} requests: {samples[-1].worker:.1f} MB", file=sys.stderr, flush=True)
    return samples


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    options = parser.parse_args()
    ended_by_signals()
    try:
        with tempfile.TemporaryDirectory(prefix="soak-") as folder:
            truth.write(Path(folder))
            samples = soak(options.requests, Path(folder))
    except (PeerError, store.ModelError) as error:
        sys.exit(f"error: {error}")
    rows = [[f"{s.requests:,}", "", f"{s.worker:.1f}", str(s.series), str(s.files)] for s in samples]
    print(table(("requests", "", "worker MB", "series", "open files"), rows))
    if found := problems(samples):
        sys.exit(f"error: {'; '.join(found)}")


if __name__ == "__main__":
    main()
