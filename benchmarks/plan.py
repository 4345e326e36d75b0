"""The loads, and in which order everything is measured."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import Peer
from benchmarks.results import SIXTEEN, Measured, rows_per_second
from benchmarks.running import Running, measure, running
from benchmarks.usage import memory


@dataclass(frozen=True)
class Load:
    """How a lane is asked: by so many connections that each wait for their answer, or `rate` times a second."""

    name: str
    connections: int = 16
    rate: float = 0
    rows: int = 1


ONE, SINGLE_SIXTEEN = Load("1 connection", connections=1), Load(SIXTEEN)
SINGLE = (ONE, SINGLE_SIXTEEN)
OPEN = (Load("100 a second", rate=100), Load("1,000 a second", rate=1000))
BULK = (
    Load("100 rows", rows=100),
    Load("1,000 rows", connections=4, rows=1000),
    Load("10,000 rows", connections=4, rows=10_000),
)
# An open load nearer to what the server can do at all would only measure a queue that grows.
_MOST_OF_CAPACITY = 0.7


@dataclass(frozen=True)
class Pace:
    """How long to measure: `rounds` over all servers, in each of them `seconds` for each load after `warm_up`."""

    rounds: int
    seconds: float
    warm_up: float


FULL, QUICK = Pace(3, 3.0, 1.0), Pace(1, 0.6, 0.3)


def run(peers: Sequence[Peer], pace: Pace, scratch: Path, sink_port: int, say: Callable[[str], None]) -> list[Measured]:
    """Measure every peer in turn, as many times as there are rounds, so that a slow minute does not hit one alone.

    Args:
        scratch: what `truth.write` filled.
        sink_port: where traces can go.

    Returns:
        A record for each load, of `Results.of`, and one for each start, whose load is empty.
    """
    records = []
    for number in range(pace.rounds):
        for peer in peers:
            say(f"round {number + 1} of {pace.rounds}: {peer.name}")
            with running(peer, scratch, sink_port) as server:
                start = {"ready": server.ready, "worker": server.idle.worker, "total": server.idle.total}
                for lane, load, measured in _ask(server, pace, scratch):
                    records.append({"server": peer.name, "lane": lane, "load": load.name, **measured})
                    if "error" in measured:
                        say(f"{peer.name}, {lane}, {load.name}: {measured['error']}")
                if peer.lanes:
                    start["loaded"] = memory(server.pid).worker
                records.append({"server": peer.name, "lane": "", "load": "", **start})
    return records


def _ask(server: Running, pace: Pace, scratch: Path) -> Iterator[tuple[str, Load, Measured]]:
    peer = server.peer

    def ask(lane: str, load: Load) -> Measured:
        shape = {"rows": load.rows, "connections": load.connections, "rate": load.rate}
        return measure(server, lane, scratch, **shape, seconds=pace.seconds, warm_up=pace.warm_up)

    for lane in peer.lanes:
        yield lane, SINGLE_SIXTEEN, (closed := ask(lane, SINGLE_SIXTEEN))
        if peer.variant:
            continue
        yield lane, ONE, ask(lane, ONE)
        capacity = rows_per_second(closed, 1) or 0
        for load in OPEN:
            if load.rate < _MOST_OF_CAPACITY * capacity:
                yield lane, load, ask(lane, load)
    for lane in peer.bulk:
        for load in BULK:
            yield lane, load, ask(lane, load)
