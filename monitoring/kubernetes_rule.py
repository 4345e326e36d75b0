"""Write Prometheus' rules as its operator takes them: python -m monitoring.kubernetes_rule."""

from pathlib import Path

import yaml

_ROOT = Path(__file__).parent.parent
RULES = _ROOT / "monitoring" / "prometheus" / "rules"
FILE = _ROOT / "deploy" / "kubernetes" / "components" / "monitoring" / "prometheusrule.yaml"


def rule() -> str:
    """Return a PrometheusRule, as YAML, with the groups of every rule file."""
    groups = [group for file in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(file.read_text())["groups"]]
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "gender-classifier"},
        "spec": {"groups": groups},
    }
    return "# Made by `make manifests` from monitoring/prometheus/rules.\n" + yaml.safe_dump(resource, sort_keys=False)


if __name__ == "__main__":
    FILE.write_text(rule())
