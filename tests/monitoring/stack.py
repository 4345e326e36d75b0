"""Prometheus, Alertmanager and a receiver in Discord's place, on loopback, with our configuration at another pace."""

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import yaml

from monitoring.secret import webhook
from tests.processes import started
from tests.servers import ROOT, free_port
from tests.tools import require_tool

PROMETHEUS = ROOT / "monitoring" / "prometheus"
ALERTMANAGER = ROOT / "monitoring" / "alertmanager"
# How long the rules' windows and pauses are here: five minutes become four seconds, of eight scrapes.
PACE = {"5m": "4s", "15m": "12s", "1h": "48s", "1d": "20m"}
SCRAPE = "500ms"


class Discord:
    """Takes what a webhook of Discord takes. The only fake here: the real one cannot be reached."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        messages = self.messages

        class Webhook(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                [embed] = body["embeds"]
                messages.append(f"{embed['title']}\n{embed['description']}")
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        self.url = f"http://127.0.0.1:{self._server.server_port}/api/webhooks/1/secret"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Stack:
    """`url` of Prometheus; `discord` has what arrived."""

    url: str
    discord: Discord
    expressions: dict[str, str] = field(default_factory=dict)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query, each {"metric": labels, "value": [time, text]}."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30).json()
        assert answer["status"] == "success", f"{expression}: {answer}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def alerts(self) -> list[dict[str, str]]:
        """Return the labels of the alerts that fire."""
        found = httpx.get(f"{self.url}/api/v1/alerts", timeout=30).json()["data"]["alerts"]
        return [each["labels"] for each in found if each["state"] == "firing"]


def eventually(true: Callable[[], object], seconds: float = 60, what: Callable[[], object] = lambda: "") -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"it did not happen in {seconds:g} s: {what()}"
        time.sleep(0.2)


def at_pace(text: str) -> str:
    """Return the text of a rule file with its windows and pauses at the tests' pace; names stay."""
    text = re.sub(r"\[(5m|15m|1h|1d)\]", lambda found: f"[{PACE[found[1]]}]", text)
    text = re.sub(r"( +for: ).*", r"\g<1>1s", text)
    return re.sub(r"( +interval: ).*", rf"\g<1>{SCRAPE}", text)


@contextmanager
def stack(folder: Path, services: Sequence[str], monitors: Sequence[str]) -> Iterator[Stack]:
    """Run Prometheus and Alertmanager until the block ends.

    Args:
        services, monitors: addresses to scrape, host:port.
    """
    prometheus = require_tool("prometheus", "apt install prometheus")
    alertmanager = require_tool("prometheus-alertmanager", "apt install prometheus-alertmanager")
    port, alert_port = free_port(), free_port()
    discord = Discord()
    (folder / "rules").mkdir(parents=True)
    for file in (PROMETHEUS / "rules").glob("*.yml"):
        (folder / "rules" / file.name).write_text(at_pace(file.read_text()))
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": SCRAPE, "evaluation_interval": SCRAPE}
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{alert_port}"]}]
    config["scrape_configs"] = [
        {"job_name": job, "static_configs": [{"targets": list(targets)}]}
        for job, targets in (("service", services), ("monitor", monitors))
    ]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    text = (ALERTMANAGER / "alertmanager.yml").read_text()
    text = text.replace("${DISCORD_WEBHOOK_URL}", webhook({"DISCORD_WEBHOOK_URL": discord.url}))
    text = re.sub(r"(group_wait|group_interval): .*", r"\1: 1s", text)
    (folder / "alertmanager.yml").write_text(text)
    (folder / "discord.tmpl").write_text((ALERTMANAGER / "discord.tmpl").read_text())
    with ExitStack() as running:
        running.callback(discord.close)
        running.enter_context(
            started(
                [
                    *(alertmanager, f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/am"),
                    *(f"--web.listen-address=127.0.0.1:{alert_port}", "--cluster.listen-address="),
                ],
                folder,
                os.environ,
                folder / "alertmanager.log",
            )
        )
        running.enter_context(
            started(
                [
                    *(prometheus, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/tsdb"),
                    f"--web.listen-address=127.0.0.1:{port}",
                ],
                folder,
                os.environ,
                folder / "prometheus.log",
            )
        )
        found = Stack(f"http://127.0.0.1:{port}", discord)

        def ready() -> bool:
            try:
                return httpx.get(f"{found.url}/-/ready").is_success
            except httpx.TransportError:
                return False

        eventually(ready, what=(folder / "prometheus.log").read_text)
        yield found
