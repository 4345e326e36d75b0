"""The benchmark and the soak themselves, with real servers and as little load as tells that they work."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from benchmarks import environments, peers, plan, running, soak, truth
from benchmarks.report import markdown
from benchmarks.results import SIXTEEN, Results
from serving import store
from tests.models import fit, write_model
from tests.servers import ROOT

pytestmark = pytest.mark.slow

MEASURING = """
import dataclasses, pathlib, signal, sys
from benchmarks import environments, peers, running
running.ended_by_signals()
environments.ready = lambda name: pathlib.Path(sys.executable).parent
command = ("python", "-m", "http.server", "{port}")
with running.running(dataclasses.replace(peers.PEERS[0], command=command, ready="/"), pathlib.Path(sys.argv[1])) as it:
    print(it.pid, flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the peers serve and must answer, of a model that is the store's latest."""
    files = tmp_path_factory.mktemp("model")
    write_model(files, fit())
    store.save(files, {"made_for": "tests"})
    folder = tmp_path_factory.mktemp("benchmark")
    truth.write(folder)
    return folder


@pytest.fixture(autouse=True)
def environments_at_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take this environment for ours, which holds the same packages, and others out of the way of the real ones."""
    ready = environments.ready
    monkeypatch.setattr(environments, "FOLDER", tmp_path)
    monkeypatch.setattr(
        environments, "ready", lambda name: Path(sys.executable).parent if name == environments.OURS else ready(name)
    )


def named(name: str) -> peers.Peer:
    return next(peer for peer in peers.PEERS if peer.name == name)


def test_the_floor_and_ours_are_measured(scratch: Path) -> None:
    ours = replace(named(peers.OUR_NAME), lanes=("/predict_one", "OIP gRPC"), bulk=("OIP binary",), variant=True)
    floor = replace(named("floor"), bulk=())
    records = plan.run((floor, ours), plan.Pace(1, 0.2, 0.1), scratch, 0, print)
    assert [record for record in records if "error" in record] == []
    results = Results.of(json.loads(json.dumps(records)), score=1.0)
    measured = results.loads["floor", "/predict_one", SIXTEEN]
    assert measured["requests"] > 16
    assert measured["p50_ms"] <= measured["p99_ms"] <= measured["p999_ms"]
    for lane, load in (("/predict_one", SIXTEEN), ("OIP gRPC", SIXTEEN), ("OIP binary", "10,000 rows")):
        assert results.loads[peers.OUR_NAME, lane, load]["requests"] > 0
    assert results.loads[peers.OUR_NAME, "/predict_one", SIXTEEN]["times_base"] > 1
    assert results.starts[peers.OUR_NAME]["total"] > results.starts[peers.OUR_NAME]["worker"] > 10
    assert "OIP gRPC" in markdown(results)


def test_a_peer_that_does_not_start_is_named(scratch: Path) -> None:
    broken = replace(named("floor"), name="broken", command=("python", "-c", "raise SystemExit('no such thing')"))
    with (
        pytest.raises(running.PeerError, match=r"broken did not start:\nno such thing"),
        running.running(broken, scratch),
    ):
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_no_server(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEASURING, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as measuring:
        assert measuring.stdout
        server = int(measuring.stdout.readline())
        assert psutil.pid_exists(server)
        measuring.send_signal(number)
        _, said = measuring.communicate(timeout=30)
    assert (measuring.returncode, said) == (128 + number, b"")
    assert not psutil.pid_exists(server)


def test_a_short_soak_asks_every_lane(scratch: Path) -> None:
    samples = soak.soak(500, scratch, rounds=2)
    assert [each.requests for each in samples] == [250, 500]
    assert samples[0].series == samples[1].series > 100
    assert samples[0].files > 10
