"""Medians, ratios, promises, tables and the picture, from numbers made by hand."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import figure
from benchmarks.peers import OUR_NAME, PEERS
from benchmarks.report import markdown, table
from benchmarks.results import PROMISES, SIXTEEN, Promise, Results, medians, ratio, rows_per_second


def record(server: str, lane: str, load: str = SIXTEEN, cpu_us: float = 100.0, **more: Any) -> dict[str, Any]:
    numbers = {"requests": 1000, "seconds": 2.0, "p50_ms": 1.0, "p99_ms": 3.0, "p999_ms": 5.0}
    return {"server": server, "lane": lane, "load": load, "cpu_us": cpu_us, **numbers, **more}


def start(server: str, ready: float, worker: float) -> dict[str, Any]:
    return {"server": server, "lane": "", "load": "", "ready": ready, "worker": worker, "total": 2 * worker}


RECORDS = [
    record("floor", "/predict_one", cpu_us=40),
    record("floor", "/predict_one", cpu_us=50),
    record("floor", "/predict_one", cpu_us=900),
    record("grpc.aio echo", "echo", cpu_us=200),
    record(OUR_NAME, "OIP JSON", cpu_us=150),
    record(OUR_NAME, "OIP gRPC", cpu_us=400, p99_ms=4.5),
    record(OUR_NAME, "/predict", load="10,000 rows", requests=100, seconds=1.0),
    {"server": OUR_NAME, "lane": "/predict", "load": SIXTEEN, "error": "WrongAnswerError: 503"},
    record("ours, access log on", "OIP JSON", cpu_us=200),
    start(OUR_NAME, 3.0, 150.0),
    start("empty BentoML", 2.0, 100.0),
]


@pytest.fixture
def results() -> Results:
    return Results.of(RECORDS, score=2_000_000.0)


def promise(text: str) -> Promise:
    return next(each for each in PROMISES if each.text == text)


def test_the_median_of_the_rounds_counts(results: Results) -> None:
    assert results.cpu("floor", "/predict_one") == 50
    assert medians([{"a": 1, "b": 5}, {"a": 3, "b": 7}]) == {"a": 2, "b": 6}


def test_a_round_that_failed_is_not_averaged_away() -> None:
    assert medians([{"a": 1}, {"error": "503"}, {"a": 2}]) == {"error": "503"}


def test_a_ratio_of_what_was_not_measured_is_none(results: Results) -> None:
    assert ratio(None, 1.0) is None
    assert ratio(1.0, None) is None
    assert ratio(3.0, 2.0) == 1.5
    assert rows_per_second({"error": "503"}, 10) is None
    assert results.cpu(OUR_NAME, "/predict") is None
    assert results.cpu("MLflow", "MLflow") is None


def test_a_promise_is_kept_up_to_its_bound(results: Results) -> None:
    assert promise("OIP JSON / floor").value(results) == 3
    assert promise("OIP JSON / floor").kept(results) is True
    assert promise("OIP gRPC / grpc.aio echo").value(results) == 2
    assert promise("OIP gRPC / grpc.aio echo").kept(results) is False
    assert promise("p99 / p50 of OIP gRPC").kept(results) is False
    assert promise("worker memory of ours / empty BentoML").value(results) == 1.5
    assert promise("MLflow / /predict_one").kept(results) is None


def test_what_was_measured_in_turns_counts_more_than_what_was_not() -> None:
    in_turns = [record(OUR_NAME, "OIP gRPC", cpu_us=cpu, times_base=times) for cpu, times in ((300, 1.4), (500, 1.2))]
    results = Results.of([*RECORDS, *in_turns, record("MLServer", "MLServer gRPC", times_base=3.9)], score=1.0)
    assert promise("OIP gRPC / grpc.aio echo").value(results) == pytest.approx(1.3)
    assert promise("MLServer gRPC / OIP gRPC").value(results) == pytest.approx(3.0)


def test_every_promise_can_be_measured() -> None:
    everything = [
        record(peer.name, lane, load)
        for peer in PEERS
        for lane in {*peer.lanes, *peer.bulk}
        for load in (SIXTEEN, "10,000 rows")
    ]
    results = Results.of([*everything, *(start(peer.name, 1.0, 1.0) for peer in PEERS)], score=1.0)
    assert [each.text for each in PROMISES if each.value(results) is None] == []


def test_a_table_lines_up() -> None:
    lines = table(("server", "lane", "us"), [["ours", "/predict", "1,000"], ["other", "x", "5"]]).splitlines()
    assert lines == [
        "| server | lane     |    us |",
        "| ------ | -------- | ----: |",
        "| ours   | /predict | 1,000 |",
        "| other  | x        |     5 |",
    ]


def test_the_report_says_ratios_failures_and_costs(results: Results) -> None:
    lines = [" ".join(line.split()) for line in markdown(results).splitlines()]
    assert "| ours | OIP JSON | 500 | 1.00 | 3.00 | 5.00 | 150 | 3.00 x |" in lines
    assert "| ours | OIP gRPC | 500 | 1.00 | 4.50 | 5.00 | 400 | 2.00 x |" in lines
    assert "| ours | /predict | | | | | | WrongAnswerError: 503 |" in lines
    assert "| ours | /predict | 1,000,000 | 1.0 | 3.0 | 0.01 |" in lines
    assert "| access log on | OIP JSON | 200 | +50 |" in lines
    assert "| NO | OIP gRPC / grpc.aio echo | 2.00 | <= 1.5 |" in lines


def test_the_picture_is_the_same_for_the_same_results(results: Results, tmp_path: Path) -> None:
    figure.draw(results, tmp_path / "one.png")
    figure.draw(results, tmp_path / "two.png")
    drawn = (tmp_path / "one.png").read_bytes()
    assert drawn == (tmp_path / "two.png").read_bytes()
    assert drawn.startswith(b"\x89PNG")
