"""Writes Prometheus' alerts as Grafana takes them: python -m monitoring.grafana_alerts. A test compares the two.

Grafana evaluates the same expressions over the same recorded series; those still come from Prometheus. Its templates
cannot query, so the threshold in a text becomes a pointer to the dashboard.
"""

import re
from pathlib import Path
from typing import Any

import yaml

_HERE = Path(__file__).parent
RULES = _HERE / "prometheus" / "rules"
FILE = _HERE / "grafana" / "provisioning" / "alerting" / "rules.yml"


def _text(template: str) -> str:
    without_queries = re.sub(r"{{ with .*?{{ end }}", "(see the dashboard)", template)
    return without_queries.replace("$value", "$values.A.Value")


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    window = rule["labels"].get("window", "")
    return {
        "uid": f"{rule['alert']}{window}".lower(),
        "title": f"{rule['alert']} {window}".strip(),
        "condition": "B",
        "data": [
            {
                "refId": "A",
                "datasourceUid": "prometheus",
                "relativeTimeRange": {"from": 600, "to": 0},
                "model": {"refId": "A", "expr": rule["expr"], "instant": True},
            },
            {
                # The expression already compares: whatever series it returns is a reason.
                "refId": "B",
                "datasourceUid": "__expr__",
                "model": {"refId": "B", "type": "math", "expression": "is_number($A) || is_nan($A)"},
            },
        ],
        "for": rule.get("for", "0s"),
        "noDataState": "OK",
        "execErrState": "Error",
        "labels": rule["labels"],
        "annotations": {name: _text(text) for name, text in rule["annotations"].items()},
    }


def rules() -> str:
    """Return the provisioning file."""
    groups = []
    for file in sorted(RULES.glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            alerts = [_rule(rule) for rule in group["rules"] if "alert" in rule]
            if alerts:
                place = {"orgId": 1, "name": group["name"], "folder": "Model serving", "interval": "15s"}
                groups.append({**place, "rules": alerts})
    head = "# Made by python -m monitoring.grafana_alerts from monitoring/prometheus/rules.\n"
    return head + yaml.safe_dump({"apiVersion": 1, "groups": groups}, sort_keys=False, allow_unicode=True, width=120)


if __name__ == "__main__":
    FILE.write_text(rules(), encoding="utf-8")
