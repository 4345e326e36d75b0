"""The results as tables in Markdown, which read well in a terminal too."""

from collections.abc import Sequence

from benchmarks.lanes import LANES
from benchmarks.peers import OUR_NAME, PEERS
from benchmarks.plan import BULK, OPEN, SINGLE, Load
from benchmarks.results import (
    GRPC_BASE,
    HTTP_BASE,
    PROMISES,
    SIXTEEN,
    Measured,
    Results,
    ratio,
    rows_per_second,
)

_ORDER = [peer.name for peer in PEERS]


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay a table out; every column but the first two is of numbers, on the right."""
    widths = [max(len(row[i]) for row in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [("-" * width) if i < 2 else ("-" * (width - 1) + ":") for i, width in enumerate(widths)]
    return "\n".join((line(header), line(rule), *map(line, rows)))


def number(value: float | None, digits: int = 0, unit: str = "") -> str:
    return "" if value is None else f"{value:,.{digits}f}{unit}"


def _asked(results: Results, load: Load) -> list[tuple[str, str, Measured]]:
    found = [(server, lane, each) for (server, lane, name), each in results.loads.items() if name == load.name]
    return sorted(found, key=lambda item: _ORDER.index(item[0]))


def _times_base(results: Results, server: str, lane: str, load: Load) -> float | None:
    """Return the CPU time as a multiple of the least that speaks the lane's protocol."""
    if load.name == SIXTEEN:
        return results.times_base(server, lane)
    base = GRPC_BASE if LANES[lane].grpc else HTTP_BASE
    return ratio(results.cpu(server, lane, load.name), results.cpu(*base, load.name))


def _single(results: Results, load: Load) -> str:
    rows = []
    for server, lane, each in _asked(results, load):
        if "error" in each:
            rows.append([server, lane, *[""] * 5, each["error"][:60]])
            continue
        cpu = each["cpu_us"]
        rows.append(
            [
                *(server, lane, number(each["requests"] / each["seconds"])),
                *(number(each[name], 2) for name in ("p50_ms", "p99_ms", "p999_ms")),
                number(cpu),
                number(_times_base(results, server, lane, load), 2 if load.name == SIXTEEN else 1, " x"),
            ]
        )
    header = ("server", "lane", "requests/s", "p50 ms", "p99 ms", "p99.9 ms", "CPU us", "floor or echo")
    return f"### One row, {load.name}\n\n{table(header, rows)}"


def _bulk(results: Results, load: Load) -> str:
    rows = []
    for server, lane, each in _asked(results, load):
        if "error" in each:
            rows.append([server, lane, *[""] * 3, each["error"][:60]])
            continue
        speed = rows_per_second(each, load.rows)
        cells = (number(speed), number(each["p50_ms"], 1), number(each["p99_ms"], 1))
        rows.append([server, lane, *cells, number(each["cpu_us"] / load.rows, 2)])
    note = ""
    if load.rows == BULK[-1].rows:
        note = f"\n\n`model.score` in the process: {results.score:,.0f} rows/s."
    header = ("server", "lane", "rows/s", "p50 ms", "p99 ms", "CPU us a row")
    return f"### {load.name}, {load.connections} connections\n\n{table(header, rows)}{note}"


def _starts(results: Results) -> str:
    rows = [
        [
            *(server, "", number(each["ready"], 1), number(each["worker"]), number(each["total"])),
            number(each.get("loaded")),
        ]
        for server, each in sorted(results.starts.items(), key=lambda item: _ORDER.index(item[0]))
    ]
    header = ("server", "", "ready s", "worker MB", "all MB", "worker MB after load")
    return f"### Start and memory\n\n{table(header, rows)}"


def _settings(results: Results) -> str:
    """What a setting adds to a request."""
    rows = []
    for peer in PEERS:
        for lane in peer.lanes if peer.variant else ():
            usual, varied = results.cpu(OUR_NAME, lane), results.cpu(peer.name, lane)
            if usual is not None and varied is not None:
                rows.append([peer.name.removeprefix("ours, "), lane, number(varied), f"{varied - usual:+,.0f}"])
    return f"### What a setting costs, {SIXTEEN}\n\n{table(('setting', 'lane', 'CPU us', 'against the default'), rows)}"


def _promises(results: Results) -> str:
    rows = []
    for promise in PROMISES:
        value, kept = promise.value(results), promise.kept(results)
        bound = f"<= {promise.most:g}" if promise.least == float("-inf") else f">= {promise.least:g}"
        rows.append(["" if kept is None else "yes" if kept else "NO", promise.text, number(value, 2), bound])
    return f"### Promises\n\n{table(('kept', 'CPU a request, unless it says otherwise', 'ratio', 'bound'), rows)}"


def markdown(results: Results) -> str:
    parts = [_single(results, load) for load in (*SINGLE, *OPEN)]
    parts += [_bulk(results, load) for load in BULK]
    return "\n\n".join([*parts, _starts(results), _settings(results), _promises(results)])
