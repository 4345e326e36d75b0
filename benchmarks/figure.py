"""The picture in the README: server CPU time and latency of one row, at 16 connections."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.peers import OUR_NAME, PEERS
from benchmarks.results import SIXTEEN, Results

# Okabe & Ito's palette, told apart by colour-blind readers.
_OURS, _LEAST, _OTHER = "#0072B2", "#009E73", "#E69F00"
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
_LEGEND = {_OURS: "this service", _LEAST: "the least that answers", _OTHER: "others"}


def _colour(server: str) -> str:
    if server in ("floor", "grpc.aio echo"):
        return _LEAST
    return _OURS if server == OUR_NAME else _OTHER


def draw(results: Results, file: Path) -> None:
    """Write a PNG that is the same byte for byte for the same results."""
    variants = {peer.name for peer in PEERS if peer.variant}
    shown = [
        (server, lane, each)
        for (server, lane, load), each in results.loads.items()
        if load == SIXTEEN and server not in variants and "error" not in each
    ]
    shown.sort(key=lambda item: -item[2]["cpu_us"])
    names = [
        server if lane in ("echo", "stock", server) else f"{server}  {_lane(server, lane)}" for server, lane, _ in shown
    ]
    colours = [_colour(server) for server, _, _ in shown]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 0.34 * len(shown) + 1.4), layout="constrained")
        cpu, latency = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        places = range(len(shown))
        costs = [each["cpu_us"] for _, _, each in shown]
        cpu.barh(places, costs, color=colours)
        for place, cost in zip(places, costs, strict=True):
            cpu.text(cost, place, f" {cost:,.0f}", va="center", fontsize=9)
        cpu.set_yticks(places, names)
        cpu.set(title="server CPU for a request (µs)", xlim=(0, 1.12 * max(costs)))
        for place, (_, _, each), colour in zip(places, shown, colours, strict=True):
            latency.plot([each["p50_ms"], each["p99_ms"]], [place, place], color=colour, linewidth=3)
            latency.plot(each["p50_ms"], place, marker="o", color=colour)
            latency.plot(each["p99_ms"], place, marker="|", color=colour, markersize=10, markeredgewidth=2)
        latency.set(title="latency, p50 (dot) to p99 (ms)", xscale="log")
        latency.xaxis.set_major_formatter("{x:g}")
        latency.grid(axis="x", color="#DDDDDD")
        handles = [mpl.patches.Patch(color=colour, label=text) for colour, text in _LEGEND.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
        figure.suptitle(f"One row, {SIXTEEN}, one worker: shorter is better")
        figure.savefig(file, dpi=110, metadata={"Software": None})


def _lane(server: str, lane: str) -> str:
    return lane.removeprefix(server.split(",", maxsplit=1)[0]).strip()
