"""What was measured, over the rounds: medians, ratios, and what the project promises of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any, Self

from benchmarks.lanes import LANES
from benchmarks.peers import EMPTY, HTTP_ALONE, OUR_NAME, UNLOGGED

Measured = dict[str, Any]  # what `client.load` returns
Key = tuple[str, str, str]  # names of server, lane and load

SIXTEEN = "16 connections"
# The servers and lanes of the least that speaks each protocol.
HTTP_BASE, GRPC_BASE = ("floor", "/predict_one"), ("grpc.aio echo", "echo")


@dataclass(frozen=True)
class Results:
    """The medians of a run.

    Args:
        loads: what was measured of a server on a lane under a load; one with `error` failed in some round.
        starts: by server, `ready` in seconds and MB of memory: `worker`, `total`, and `loaded` after all loads.
        score: rows a second of `model.score`, called in the process with 10,000 rows.
    """

    loads: dict[Key, Measured]
    starts: dict[str, Measured]
    score: float

    @classmethod
    def of(cls, records: Iterable[Measured], score: float) -> Self:
        """Take the medians of records as `plan.run` makes them, any number of rounds."""
        loads: dict[Key, list[Measured]] = {}
        starts: dict[str, list[Measured]] = {}
        for record in records:
            numbers = {name: value for name, value in record.items() if name not in ("server", "lane", "load")}
            if record["load"]:
                loads.setdefault((record["server"], record["lane"], record["load"]), []).append(numbers)
            else:
                starts.setdefault(record["server"], []).append(numbers)
        return cls(
            {key: medians(rounds) for key, rounds in loads.items()},
            {name: medians(rounds) for name, rounds in starts.items()},
            score,
        )

    def times_base(self, server: str, lane: str) -> float | None:
        """Return the server's CPU time at 16 connections as a multiple of the least that speaks the lane's protocol.

        Of the two measured in turns; where they were not, of what each took in its own time.
        """
        found = self.loads.get((server, lane, SIXTEEN), {})
        if "times_base" in found:
            return float(found["times_base"])
        base = GRPC_BASE if LANES[lane].grpc else HTTP_BASE
        return ratio(self.cpu(server, lane), self.cpu(*base))

    def cpu(self, server: str, lane: str, load: str = SIXTEEN) -> float | None:
        """Return the server's CPU time for each request, in microseconds."""
        found = self.loads.get((server, lane, load), {}).get("cpu_us")
        return None if found is None else float(found)


def medians(rounds: Iterable[Measured]) -> Measured:
    """Return the median of every number over the rounds. A round that failed decides: its error is the result."""
    rounds = list(rounds)
    for each in rounds:
        if "error" in each:
            return {"error": each["error"]}
    # A start that no load followed has no memory after loads.
    names = dict.fromkeys(name for each in rounds for name in each)
    return {name: median(each[name] for each in rounds if name in each) for name in names}


def ratio(value: float | None, base: float | None) -> float | None:
    return None if value is None or not base else value / base


@dataclass(frozen=True)
class Promise:
    """A bound on a number of the results, as the issue that made this benchmark puts it.

    Args:
        value: reads the number; None if its parts were not measured.
        most, least: the bound, inclusive.
    """

    text: str
    value: Callable[[Results], float | None]
    most: float = float("inf")
    least: float = float("-inf")

    def kept(self, results: Results) -> bool | None:
        value = self.value(results)
        return None if value is None else self.least <= value <= self.most


def _of(ours: str, server: str, lane: str) -> Callable[[Results], float | None]:
    """Our CPU time on a lane as a multiple of another server's on its own, by way of the base of both."""
    return lambda r: ratio(r.times_base(OUR_NAME, ours), r.times_base(server, lane))


def _cheaper(ours: str, server: str, lane: str) -> Callable[[Results], float | None]:
    return lambda r: ratio(r.times_base(server, lane), r.times_base(OUR_NAME, ours))


def _tail(lane: str) -> Callable[[Results], float | None]:
    def value(r: Results) -> float | None:
        found = r.loads.get((OUR_NAME, lane, SIXTEEN), {})
        return ratio(found.get("p99_ms"), found.get("p50_ms"))

    return value


def _start(name: str, server: str) -> Callable[[Results], float | None]:
    return lambda r: ratio(r.starts.get(server, {}).get(name), r.starts.get(EMPTY, {}).get(name))


def rows_per_second(measured: Measured, rows: int) -> float | None:
    return rows * measured["requests"] / measured["seconds"] if "requests" in measured else None


def _bulk(server: str, lane: str) -> Callable[[Results], float | None]:
    return lambda r: ratio(rows_per_second(r.loads.get((server, lane, "10,000 rows"), {}), 10_000), r.score)


PROMISES = (
    *(
        promise
        for lane in ("OIP JSON", "OIP binary")
        for promise in (
            Promise(f"{lane} / floor", _of(lane, "floor", "/predict_one"), most=4),
            Promise(f"MLServer JSON / {lane}", _cheaper(lane, "MLServer", "MLServer JSON"), least=6),
        )
    ),
    Promise("OIP gRPC / grpc.aio echo", _of("OIP gRPC", "grpc.aio echo", "echo"), most=1.5),
    Promise("MLServer gRPC / OIP gRPC", _cheaper("OIP gRPC", "MLServer", "MLServer gRPC"), least=2),
    Promise("FastAPI / /predict_one", _cheaper("/predict_one", "FastAPI + scikit-learn", "/predict_one"), least=1),
    Promise("MLServer JSON / /predict_one", _cheaper("/predict_one", "MLServer", "MLServer JSON"), least=3),
    Promise("LitServe / /predict_one", _cheaper("/predict_one", "LitServe", "LitServe"), least=3),
    Promise("MLflow / /predict_one", _cheaper("/predict_one", "MLflow", "MLflow"), least=10),
    Promise("/predict / /predict_one", _of("/predict", OUR_NAME, "/predict_one"), most=2),
    *(
        Promise(f"p99 / p50 of {lane}", _tail(lane), most=4)
        for lane in ("/predict_one", "/predict", "OIP JSON", "OIP binary", "OIP gRPC")
    ),
    Promise(
        "rows/s of 10,000 rows, probabilities alone, no log / model.score",
        _bulk(UNLOGGED, "OIP binary, probabilities"),
        least=0.5,
    ),
    Promise("the same with every output and the log / model.score", _bulk(OUR_NAME, "OIP binary"), least=0),
    *(
        Promise(f"{text} of {server} / empty BentoML", _start(name, server), most=most)
        for server, most in ((HTTP_ALONE, 1.3), (OUR_NAME, 1.6))
        for name, text in (("worker", "worker memory"), ("ready", "time to ready"))
    ),
)
