"""Another model without a restart: two workers, under load."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from sklearn.naive_bayes import GaussianNB

from tests.models import fit, write_model
from tests.processes import fresh_terminal
from tests.servers import ROOT, Server, serving
from tests.serving.load import ROWS, load
from tests.serving.test_service import metrics

pytestmark = pytest.mark.slow

LOAD = "/v2/repository/models/gender_classifier/load"


class Store:
    """A model store of its own, changed as another process would."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def run(self, code: str, *arguments: str) -> str:
        ran = subprocess.run(
            [
                sys.executable,
                "-c",
                f"import sys; from pathlib import Path; from serving import store; {code}",
                *arguments,
            ],
            cwd=ROOT,
            env=fresh_terminal(BENTOML_HOME=str(self.home)),
            capture_output=True,
            text=True,
            check=True,
        )
        return ran.stdout.strip()

    def save(self, folder: Path, estimator: GaussianNB) -> str:
        write_model(folder, estimator)
        return self.run("print(store.save(Path(sys.argv[1]), {}))", str(folder))

    def point_at(self, tag: str) -> None:
        """Move the store's latest, unverified: as a careless promotion would."""
        name, version = tag.split(":")
        (self.home / "models" / name / "latest").write_text(version)

    def path(self, tag: str) -> Path:
        name, version = tag.split(":")
        return self.home / "models" / name / version


@pytest.fixture
def models(tmp_path: Path) -> tuple[Store, dict[str, float]]:
    """A store with two models, the second its latest, and what each says of ROWS: probability of the last class."""
    store = Store(tmp_path / "home")
    estimators = [fit(seed=1), fit(seed=2)]
    tags = [store.save(tmp_path / f"model{i}", estimator) for i, estimator in enumerate(estimators)]
    expected = {tag: float(e.predict_proba(ROWS)[0, -1]) for tag, e in zip(tags, estimators, strict=True)}
    assert len({round(value, 6) for value in expected.values()}) == 2
    return store, expected


def eventually(server: Server, holds: Callable[[httpx.Client], bool], tries: int = 200) -> None:
    """Ask new connections, each of which may reach another worker, until enough in a row agree."""
    agreed = 0
    for _ in range(tries):
        with httpx.Client(base_url=server.url, timeout=30) as client:
            agreed = agreed + 1 if holds(client) else 0
        if agreed == 20:
            return
    raise AssertionError(f"not after {tries} requests:\n{server.log.read_text()}")


def served(client: httpx.Client) -> str:
    """Return the full tag of the model that answers."""
    model = client.get("/v2/models/gender_classifier").json()
    return f"{model['name']}:{model['versions'][0]}"


def series(client: httpx.Client) -> int:
    return sum(not line.startswith("#") for line in client.get("/metrics").text.splitlines())


def memory(server: Server) -> float:
    """Return the resident megabytes of the server's processes."""
    master = psutil.Process(server.process.pid)
    everyone = [master, *master.children(recursive=True)]
    return float(sum(process.memory_info().rss for process in everyone)) / 1e6


def test_a_hundred_swaps_under_load(models: tuple[Store, dict[str, float]], tmp_path: Path) -> None:
    store, expected = models
    first, second = expected
    settings = {"WORKERS": "2", "MODEL_POLL_SECONDS": "0"}
    with serving(store.home, tmp_path / "log", settings) as server, httpx.Client(base_url=server.url) as client:
        with load(server, clients=2) as seen:
            for i in range(100):
                wanted = (first, second)[i % 2]
                store.point_at(wanted)
                answer = client.post(LOAD, timeout=60)
                assert answer.status_code == 200, answer.text
                assert f"gender_classifier:{answer.json()['version']}" == wanted
                if i == 9:
                    before = series(client), memory(server)
            after = series(client), memory(server)
        text = client.get("/metrics").text
    counted = re.findall(r"^model_predictions_total\{.*\} (\S+)$", text, re.MULTILINE)
    assert seen.failures == []
    assert {tag for tag, _ in seen.answers} == {first, second}
    assert all(abs(probability - expected[tag]) < 1e-12 for tag, probability in seen.answers)
    assert after[0] <= before[0] + 5, "series grew with the swaps"  # what had not been counted before the tenth swap
    assert after[1] < before[1] * 1.1, f"memory grew from {before[1]:.0f} to {after[1]:.0f} MB"
    assert sum(float(value) for value in counted) == len(seen.answers)


def test_workers_follow_the_store_by_themselves(models: tuple[Store, dict[str, float]], tmp_path: Path) -> None:
    store, expected = models
    first, second = expected
    with serving(store.home, tmp_path / "log", {"WORKERS": "2", "MODEL_POLL_SECONDS": "0.1"}) as server:
        eventually(
            server,
            lambda client: served(client) == second,
        )
        environment = fresh_terminal(BENTOML_HOME=str(store.home))
        rolled = subprocess.run(
            ["make", "rollback"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        )
        assert rolled.stdout == f"gender_classifier:latest was {second} and is {first}\n"
        eventually(server, lambda client: served(client) == first)
        with httpx.Client(base_url=server.url) as client:
            told = re.findall(r'^model_info\{model="([^"]+)"\} (.+)$', client.get("/metrics").text, re.MULTILINE)
        assert sorted(told) == sorted([(first, "1.0"), (second, "0.0")])


def test_a_bad_model_is_refused_and_the_old_one_goes_on(models: tuple[Store, dict[str, float]], tmp_path: Path) -> None:
    store, expected = models
    good, bad = expected
    (store.path(bad) / "parameters.npz").write_bytes(b"spoilt")
    store.point_at(good)
    with serving(store.home, tmp_path / "log", {"WORKERS": "2", "MODEL_POLL_SECONDS": "0.1"}) as server:
        store.point_at(bad)
        with httpx.Client(base_url=server.url, timeout=30) as client:
            refused = client.post(LOAD)
            assert refused.status_code == 400
            assert f"{good} goes on serving" in refused.json()["error"]
            assert "was changed after it was saved" in refused.json()["error"]
            eventually(server, lambda each: metrics(each)["model_swap_failures_total",] == 2)
            # Polling goes on and says nothing new; and a worker that has to start now starts with the good model.
            [victim, _] = psutil.Process(server.process.pid).children()
            victim.kill()
            eventually(server, lambda each: metrics(each)["model_swap_failures_total",] == 3)
            assert len(psutil.Process(server.process.pid).children()) == 2
            eventually(server, lambda client: served(client) == good)
        assert server.log.read_text().count("was changed after it was saved") == 3


def test_a_full_tag_is_kept(models: tuple[Store, dict[str, float]], tmp_path: Path) -> None:
    store, expected = models
    first, second = expected
    settings = {"MODEL_TAG": first, "MODEL_POLL_SECONDS": "0.1"}
    with serving(store.home, tmp_path / "log", settings) as server, httpx.Client(base_url=server.url) as client:
        store.point_at(first)
        store.point_at(second)
        assert client.post(LOAD).json()["version"] == first.split(":")[1]
        assert served(client) == first


def test_rollback_to_a_tag_and_its_refusals(models: tuple[Store, dict[str, float]]) -> None:
    store, expected = models
    first, second = expected

    def rollback(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serving.rollback", *arguments]
        environment = fresh_terminal(BENTOML_HOME=str(store.home))
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    assert rollback(first).stdout.endswith(f"is {first}\n")
    assert rollback().stderr == f"error: there is no older model than {first} in the BentoML model store\n"
    assert rollback(second.split(":")[1]).stdout.endswith(f"is {second}\n")
    assert rollback("gender_classifier:none").stderr.startswith("error: there is no model gender_classifier:none")
    (store.path(first) / "parameters.npz").write_bytes(b"spoilt")
    assert "was changed after it was saved" in rollback().stderr
    assert store.run("print(store.resolve())") == second
