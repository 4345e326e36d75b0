"""The loads, and in which order everything is measured."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.lanes import LANES
from benchmarks.peers import EMPTY, HTTP_ALONE, OUR_NAME, Peer
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
# Whose start is compared with whose.
COMPARED_STARTS = (EMPTY, HTTP_ALONE, OUR_NAME)
# An open load nearer to what the server can do at all would only measure a queue that grows.
_MOST_OF_CAPACITY = 0.7


@dataclass(frozen=True)
class Pace:
    """How long to measure: `rounds` over all servers, in each of them `seconds` for each load after `warm_up`.

    turns: with its base in each round, of a lane at 16 connections.
    starts: more of them in each round, of the servers whose starts are compared.
    """

    rounds: int
    seconds: float
    warm_up: float
    turns: int = 1
    starts: int = 0


FULL, QUICK = Pace(3, 2.0, 0.7, turns=3, starts=2), Pace(1, 0.6, 0.3)


def run(peers: Sequence[Peer], pace: Pace, scratch: Path, sink_port: int, say: Callable[[str], None]) -> list[Measured]:
    """Measure every peer in turn, as many times as there are rounds, so that a slow minute does not hit one alone.

    Args:
        scratch: what `truth.write` filled.
        sink_port: where traces can go.

    Returns:
        A record for each load, of `Results.of`, and one for each start, whose load is empty.
    """
    records: list[Measured] = []
    compared = [peer for peer in peers if peer.name in COMPARED_STARTS]
    with ExitStack() as stack:
        bases = {peer.name: stack.enter_context(running(peer, scratch)) for peer in peers if peer.base}
        asking = _Asking(pace, scratch, {bool(LANES[each.peer.lanes[0]].grpc): each for each in bases.values()})
        for number in range(pace.rounds):
            for peer in peers:
                say(f"round {number + 1} of {pace.rounds}: {peer.name}")
                with nullcontext(bases[peer.name]) if peer.base else running(peer, scratch, sink_port) as server:
                    start = _start(server)
                    for lane, load, measured in asking.everything(server):
                        records.append({"server": peer.name, "lane": lane, "load": load.name, **measured})
                        if "error" in measured:
                            say(f"{peer.name}, {lane}, {load.name}: {measured['error']}")
                    if peer.lanes:
                        start["loaded"] = memory(server.pid).worker
                    records.append({"server": peer.name, "lane": "", "load": "", **start})
            # One after the other, and more than once: a start hangs on the disk, and on what the host does just now.
            for peer in compared * pace.starts:
                say(f"round {number + 1} of {pace.rounds}: {peer.name} starts")
                with running(peer, scratch, sink_port) as server:
                    records.append({"server": peer.name, "lane": "", "load": "", **_start(server)})
    return records


def _start(server: Running) -> Measured:
    return {"ready": server.ready, "worker": server.idle.worker, "total": server.idle.total}


@dataclass(frozen=True)
class _Asking:
    """What all loads of a round have in common. `bases`: the least that speaks HTTP (False) and gRPC (True)."""

    pace: Pace
    truth: Path
    bases: Mapping[bool, Running]

    def once(self, server: Running, lane: str, load: Load, share: float = 1.0) -> Measured:
        shape = {"rows": load.rows, "connections": load.connections, "rate": load.rate}
        seconds, warm_up = share * self.pace.seconds, share * self.pace.warm_up
        return measure(server, lane, self.truth, **shape, seconds=seconds, warm_up=warm_up)

    def in_turns(self, server: Running, lane: str, load: Load) -> Iterator[Measured]:
        """Measure a lane in turns with its base: the host's speed changes within seconds, and more within minutes."""
        base = self.bases.get(bool(LANES[lane].grpc))
        if base is None or server.peer.base:
            yield self.once(server, lane, load)
            return
        before = self.once(base, base.peer.lanes[0], load, 0.3)
        for _ in range(self.pace.turns):
            measured = self.once(server, lane, load, 0.6)
            after = self.once(base, base.peer.lanes[0], load, 0.3)
            if "error" not in measured:
                measured["times_base"] = measured["cpu_us"] / mean((before["cpu_us"], after["cpu_us"]))
            yield measured
            before = after

    def everything(self, server: Running) -> Iterator[tuple[str, Load, Measured]]:
        peer = server.peer
        for lane in peer.lanes:
            for closed in self.in_turns(server, lane, SINGLE_SIXTEEN):
                yield lane, SINGLE_SIXTEEN, closed
            if peer.variant:
                continue
            yield lane, ONE, self.once(server, lane, ONE)
            capacity = rows_per_second(closed, 1) or 0
            for load in OPEN:
                if load.rate < _MOST_OF_CAPACITY * capacity:
                    yield lane, load, self.once(server, lane, load)
        for lane in peer.bulk:
            for load in BULK:
                yield lane, load, self.once(server, lane, load)
