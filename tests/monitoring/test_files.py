"""The files that other programs read: generated ones are up to date, all are accepted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monitoring import dashboards, grafana_alerts, secret
from serving.schema import NAMES
from tests.servers import ROOT
from tests.tools import require_tool

MONITORING = ROOT / "monitoring"


def test_committed_dashboards_are_the_generated_ones() -> None:
    made = dashboards.dashboards()
    assert {file.name: file.read_text() for file in dashboards.FOLDER.glob("*.json")} == made
    titles = [panel["title"] for panel in json.loads(made["model.json"])["panels"]]
    assert set(NAMES) <= set(titles)


def test_grafana_s_alerts_are_prometheus_ones() -> None:
    assert grafana_alerts.FILE.read_text() == grafana_alerts.rules()
    titles = [rule["title"] for g in yaml.safe_load(grafana_alerts.rules())["groups"] for rule in g["rules"]]
    assert len(titles) == len(set(titles)) == 15


@pytest.mark.slow
def test_alertmanager_accepts_its_configuration(tmp_path: Path) -> None:
    amtool = require_tool("amtool", "apt install prometheus-alertmanager")
    out = tmp_path / "alertmanager.yml"
    (tmp_path / "discord.tmpl").write_text((MONITORING / "alertmanager" / "discord.tmpl").read_text())
    subprocess.run(
        [sys.executable, "-m", "monitoring.secret", MONITORING / "alertmanager" / "alertmanager.yml", out],
        cwd=ROOT,
        env={"DISCORD_WEBHOOK_URL": "https://discord.example/api/webhooks/1/x", "PATH": "/usr/bin"},
        check=True,
    )
    assert out.stat().st_mode & 0o077 == 0
    assert "https://discord.example/api/webhooks/1/x" in out.read_text()
    subprocess.run([amtool, "check-config", out], check=True, capture_output=True)


def test_the_webhook_s_address_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("https://a.example/x\n")
    both = {"DISCORD_WEBHOOK_FILE": str(file), "DISCORD_WEBHOOK_URL": "https://b.example/x"}
    assert secret.webhook(both) == "https://a.example/x"
    assert secret.webhook({"DISCORD_WEBHOOK_URL": "https://b.example/x"}) == "https://b.example/x"
    for wrong in ("", "token-of-mine", "https://a b"):
        with pytest.raises(secret.SecretError) as caught:
            secret.webhook({"DISCORD_WEBHOOK_URL": wrong})
        assert not wrong or wrong not in str(caught.value)
    with pytest.raises(secret.SecretError, match="cannot be read"):
        secret.webhook({"DISCORD_WEBHOOK_FILE": str(tmp_path / "none")})
