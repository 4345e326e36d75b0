"""Two live replicas, the monitor, Prometheus and Alertmanager together: what arrives in Discord, and what does not."""

import json
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import yaml

from monitoring.dashboards import dashboards
from monitoring.grafana_alerts import rules
from serving import store
from serving.model import Floats
from serving.schema import CLASSES, FEATURES, NAMES, Number
from tests.databases import postgres
from tests.models import as_rows
from tests.monitoring.psi import psi
from tests.monitoring.stack import Stack, eventually, stack
from tests.processes import started
from tests.servers import ROOT, Server, free_port, serving
from training.builtin import synthesize

pytestmark = pytest.mark.slow
WINDOW = 4.0  # seconds, as the stack's pace has it
COLUMN = next(i for i, feature in enumerate(FEATURES) if isinstance(feature, Number))


class Traffic:
    """Sends rows to the replicas in turn, 4 x 200 a second, until it is closed; keeps what it sent."""

    def __init__(self, replicas: list[Server]) -> None:
        self.sent: list[Floats] = []
        self.shift = 0.0
        self.failed: list[str] = []
        self._rows = synthesize(200_000, seed=1)[list(NAMES)].to_numpy(dtype=np.float64)
        self._replicas = replicas
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        turn = 0
        while not self._closing.wait(0.25):
            rows = self._rows[turn * 200 : (turn + 1) * 200].copy()
            rows[:, COLUMN] += self.shift
            server = self._replicas[turn % len(self._replicas)]
            try:
                httpx.post(f"{server.url}/predict", json={"rows": as_rows(rows)}, timeout=30).raise_for_status()
                self.sent.append(rows)
            except httpx.HTTPError as error:
                self.failed.append(repr(error))
            turn += 1

    def close(self) -> None:
        self._closing.set()
        self._thread.join()


@dataclass(frozen=True)
class Watched:
    replicas: list[Server]
    stack: Stack
    traffic: Traffic
    log_url: str


@pytest.fixture(scope="module")
def watched(home: Path, tag: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    with ExitStack() as running:
        url = running.enter_context(postgres()).url
        settings = {"MODEL_TAG": tag, "PREDICTION_LOG_URL": url}
        replicas = [
            running.enter_context(serving(home, folder / "one.log", {**settings, "WORKERS": "2"})),
            running.enter_context(serving(home, folder / "two.log", settings)),
        ]
        port = free_port()
        own = {"MONITOR_PORT": str(port), "MONITOR_INTERVAL_SECONDS": "2", "MONITOR_FOLDER": str(folder / "reports")}
        running.enter_context(
            started(
                [sys.executable, "-m", "monitoring"],
                ROOT,
                {**os.environ, **settings, **own, "BENTOML_HOME": str(home)},
                folder / "monitor.log",
            )
        )
        addresses = [server.url.removeprefix("http://") for server in replicas]
        found = running.enter_context(stack(folder / "stack", addresses, [f"127.0.0.1:{port}"]))
        eventually(lambda: len(found.query("up == 1")) == 3)
        traffic = Traffic(replicas)
        running.callback(traffic.close)
        yield Watched(replicas, found, traffic, url)


def drifted(watched: Watched) -> set[str]:
    return {each["feature"] for each in watched.stack.alerts() if each["alertname"] == "FeatureDrift"}


def test_a_shift_arrives_in_discord_and_its_end_too_and_nothing_else_does(watched: Watched) -> None:
    messages = watched.stack.discord.messages
    began = time.monotonic()
    [worker, *_] = [
        child
        for child in psutil.Process(watched.replicas[0].process.pid).children(recursive=True)
        if any("worker" in part for part in child.cmdline())
    ]
    killed = False
    while time.monotonic() < began + 20 * WINDOW:
        if not killed and time.monotonic() > began + 5 * WINDOW:
            worker.send_signal(signal.SIGKILL)
            killed = True
        assert not drifted(watched)
        time.sleep(0.5)
    # Since the first windows were full.
    lasted = int(time.monotonic() - began - 2 * WINDOW)
    rows = watched.stack.query(f"min(min_over_time(model:feature:rows5m[{lasted}s]))")
    assert float(rows[0]["value"][1]) > 500, "the windows hold too few rows to judge"
    drift = [message for message in messages if "Drift" in message or "Outlier" in message]
    assert not drift

    name = NAMES[COLUMN]
    watched.traffic.shift = float(synthesize(5000, seed=7)[name].std()) / 2
    eventually(lambda: any(m.startswith("🔴 FeatureDrift") for m in messages), 60, lambda: messages)
    [message] = [m for m in messages if "FeatureDrift" in m]
    assert f"**{name} has drifted: its PSI over 5m is " in message
    assert ", the threshold 0.1" in message
    assert "Look at: " in message
    assert "Do: " in message
    assert not any(other in message for other in NAMES if other != name)
    assert drifted(watched) == {name}

    watched.traffic.shift = 0.0
    eventually(lambda: any(m.startswith("✅ FeatureDrift is over") for m in messages), 60, lambda: messages)
    [over] = [m for m in messages if m.startswith("✅ FeatureDrift")]
    assert f"{name} looks like the training rows again." in over
    assert "PSI" not in over
    assert not any(other in "".join(m for m in messages if "FeatureDrift" in m) for other in NAMES if other != name)


def test_live_accuracy_arrives_in_prometheus_exactly(watched: Watched) -> None:
    values = synthesize(400, seed=5)[list(NAMES)].to_numpy(dtype=np.float64)
    rows = as_rows(values)
    answers = httpx.post(f"{watched.replicas[0].url}/predict", json={"rows": rows}, timeout=30).json()
    watched.traffic.sent.append(values)
    right = 0
    for i, each in enumerate(answers[:200]):
        truth = CLASSES[i % len(CLASSES)]
        right += each["label"] == truth
        body = {"prediction_id": each["prediction_id"], "actual": truth}
        assert httpx.post(f"{watched.replicas[1].url}/feedback", json=body, timeout=30).is_success
    expression = f'monitor_accuracy{{window="1d"}} == {right / 200!r} and monitor_labelled_rows == 200'
    eventually(lambda: watched.stack.query(expression), 60, lambda: watched.stack.query("monitor_accuracy"))


def test_every_expression_of_the_dashboards_and_of_grafana_s_alerts_is_answered(watched: Watched) -> None:
    silent = []
    for name, text in dashboards().items():
        for panel in panels(json.loads(text)):
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", "4s")
                found = watched.stack.query(expression)
                if not any(math.isfinite(float(each["value"][1])) for each in found):
                    silent.append((name, panel["title"], expression))
    assert not silent
    for group in yaml.safe_load(rules())["groups"]:
        for rule in group["rules"]:
            watched.stack.query(rule["data"][0]["model"]["expr"])


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel["panels"]
        else:
            yield panel


def test_the_index_over_all_traffic_is_numpy_s(watched: Watched) -> None:
    watched.traffic.close()
    sent = np.concatenate(watched.traffic.sent)
    [tag] = {str(each["metric"]["model"]) for each in watched.stack.query("model_info == 1")}
    reference = store.load(tag).reference

    def differences() -> list[float]:
        found = {
            each["metric"]["feature"]: float(each["value"][1]) for each in watched.stack.query("model:feature:psi1d")
        }
        return [
            abs(found[name] - float(psi(bins.count(column), np.array(bins.ratios))))
            for column, (name, bins) in zip(sent.T, reference.features.items(), strict=True)
        ]

    eventually(lambda: max(differences()) < 1e-4, 30, differences)
