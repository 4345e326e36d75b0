"""Counting in place says the same as prometheus_client, in one process and over several."""

import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client import Histogram as Buckets

from serving.tally import Histogram, Tally
from tests.processes import fresh_terminal
from tests.servers import ROOT

VALUES = (0.05, 0.1, 0.2, 1.0, 7.0)


def test_without_other_processes_the_numbers_are_prometheus_s_own() -> None:
    registry = CollectorRegistry()
    counter = Counter("things", "x", registry=registry)
    usual, ours = (Buckets(name, "x", buckets=(0.1, 1.0), registry=registry) for name in ("usual", "ours"))
    tally, histogram = Tally(counter._value), Histogram(ours)
    tally.add()
    tally.add(2.5)
    for value in VALUES:
        usual.observe(value)
        histogram.observe(value)
    lines = generate_latest(registry).decode().splitlines()
    assert "things_total 3.5" in lines
    said = {
        name: [line.removeprefix(name) for line in lines if line.startswith(f"{name}_")] for name in ("usual", "ours")
    }
    assert [line for line in said["usual"] if "created" not in line] == [
        line for line in said["ours"] if "created" not in line
    ]


# Counts, lets the file grow several times, counts on, and is killed.
_WORKER = """
import os, signal
from prometheus_client import Counter, Histogram as Buckets
from serving.tally import Histogram, Tally
tally = Tally(Counter("things", "x", ["kind"]).labels("a")._value)
histogram = Histogram(Buckets("seconds", "x", buckets=(0.1, 1.0)))
for i in range(100):
    tally.add()
    histogram.observe(0.5)
    Counter(f"filler_{i}", "x" * 50_000)
os.kill(os.getpid(), signal.SIGKILL)
"""
_SCRAPE = """
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


@pytest.mark.slow
def test_what_killed_processes_counted_is_in_the_next_scrape(tmp_path: Path) -> None:
    environment = fresh_terminal(PROMETHEUS_MULTIPROC_DIR=str(tmp_path))
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", _WORKER], cwd=ROOT, env=environment, check=False)
        assert killed.returncode == -9
    scrape = subprocess.run(
        [sys.executable, "-c", _SCRAPE], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    lines = scrape.stdout.splitlines()
    assert 'things_total{kind="a"} 200.0' in lines
    assert 'seconds_bucket{le="0.1"} 0.0' in lines
    assert 'seconds_bucket{le="1.0"} 200.0' in lines
    assert "seconds_sum 100.0" in lines
