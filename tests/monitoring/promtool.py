"""Unit tests of the alerting rules, written as promtool takes them and run by promtool."""

import itertools
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.servers import ROOT
from tests.tools import require_tool

PROMETHEUS = ROOT / "monitoring" / "prometheus"
RULES = sorted((PROMETHEUS / "rules").glob("*.yml"))
# Samples in the window of a test, so that increase() of `every` rows a sample is STEPS times that, exactly.
STEPS = 20
SECONDS = {"5m": 300, "15m": 900, "1h": 3600, "1d": 86400}


def promtool() -> str:
    return require_tool("promtool", "apt install prometheus")


def rules() -> Iterator[Mapping[str, Any]]:
    """Yield every rule of every file."""
    for group in _groups():
        yield from group["rules"]


def _groups() -> list[Mapping[str, Any]]:
    """Return the groups of every file: those that record come before those that alert."""
    return [group for file in RULES for group in yaml.safe_load(file.read_text())["groups"]]


def alert(name: str, window: str = "") -> Mapping[str, Any]:
    """Return the alerting rule of a name; FeatureDrift and PredictionDrift have one for each window."""
    return next(r for r in rules() if r.get("alert") == name and r["labels"].get("window", "") == window)


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    """Return an input series. `values` in promtool's notation, as 0+5x40."""
    inside = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {"series": f"{name}{{{inside}}}", "values": values}


def steady(name: str, every: float, **labels: str) -> dict[str, str]:
    """Return a counter that grows by `every` at each sample."""
    return series(name, f"0+{every}x{4 * STEPS}", **labels)


def gauge(name: str, value: float, **labels: str) -> dict[str, str]:
    return series(name, f"{value!r}x{4 * STEPS}" if value else f"0x{4 * STEPS}", **labels)


@dataclass(frozen=True)
class Firing:
    """An alert that must fire: its labels beside the rule's own, the value as its text shows it, results of queries."""

    labels: Mapping[str, str]
    value: str = ""
    queried: Sequence[str] = ()

    def expected(self, rule: Mapping[str, Any]) -> dict[str, Any]:
        texts = {key: self._filled(text) for key, text in rule["annotations"].items()}
        return {"exp_labels": {**self.labels, **rule["labels"]}, "exp_annotations": texts}

    def _filled(self, text: str) -> str:
        queried = iter(self.queried)

        def fill(found: "re.Match[str]") -> str:
            code = found[1].strip()
            if named := re.fullmatch(r'(?:or )?\$labels\.(\w+)(?: "(.*)")?', code):
                return self.labels.get(named[1], named[2])
            if code.startswith("$value"):
                return self.value
            return next(queried) if code.startswith(".") else ""

        # The window is a label of the rule and not of the series.
        return re.sub(r"{{(.*?)}}", fill, text)


def alert_test(
    name: str, inputs: Sequence[Mapping[str, str]], firing: Sequence[Firing] = (), window: str = "", span: str = "5m"
) -> dict[str, Any]:
    """Return a test group: after two windows of `span`, exactly these alerts of the name fire, of any window."""
    wanted = [each.expected(alert(name, window)) for each in firing]
    return {
        "interval": f"{SECONDS[span] // STEPS}s",
        "input_series": list(inputs),
        "alert_rule_test": [
            {"eval_time": f"{2 * SECONDS[span]}s", "alertname": name, "exp_alerts": wanted},
        ],
    }


def value_test(expected: Mapping[str, float], inputs: Sequence[Mapping[str, str]], span: str) -> dict[str, Any]:
    """Return a test group: after two windows, each expression equals a number within 1e-12 of it."""
    return {
        "interval": f"{SECONDS[span] // STEPS}s",
        "input_series": list(inputs),
        "promql_expr_test": [
            {
                "expr": f"sum(abs({expression} - {value!r}) < bool 1e-12 * clamp_min(abs({expression}), 1))",
                "eval_time": f"{2 * SECONDS[span]}s",
                "exp_samples": [{"labels": "{}", "value": 1}],
            }
            for expression, value in expected.items()
        ],
    }


def run(groups: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Let promtool run the groups; fails with what it says."""
    # The finest step of all, or a `for` of a minute would not be noticed.
    by_interval = itertools.groupby(sorted(groups, key=_interval), key=_interval)
    for seconds, some in by_interval:
        file = folder / f"every{seconds}s.yml"
        content = {
            "rule_files": [str(path) for path in RULES],
            "evaluation_interval": f"{seconds}s",
            # Else in an order that each run draws anew: alerts might see what was recorded a step before.
            "group_eval_order": [group["name"] for group in _groups()],
            "tests": list(some),
        }
        file.write_text(yaml.safe_dump(content))
        ran = subprocess.run([promtool(), "test", "rules", file], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr


def _interval(group: Mapping[str, Any]) -> int:
    return int(str(group["interval"]).removesuffix("s"))
