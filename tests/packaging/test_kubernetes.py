"""The manifests of deploy/kubernetes, as kustomize renders them, against the schemas of two versions of Kubernetes."""

import copy
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from monitoring import kubernetes_rule
from tests.servers import ROOT

HERE = ROOT / "deploy" / "kubernetes"
KUBECTL = Path(sys.executable).parent / "kubectl"
FOLDERS = ["base", "overlays/small", "overlays/production", "kserve"]
VERSIONS = ["1.36", "1.37"]
# Kinds of operators, which have no schema in Kubernetes.
MONITORING = {"ServiceMonitor", "PrometheusRule"}
NUMBER = {"type": "integer", "minimum": 0}
# What KServe puts beside a PodSpec's fields in a predictor. Source: V1beta1ComponentExtensionSpec of the package
# kserve 0.21.0 on PyPI; those that we do not use are left out.
KSERVE = {
    "type": "object",
    "required": ["predictor"],
    "additionalProperties": False,
    "properties": {
        "predictor": {
            "type": "object",
            "properties": {
                "minReplicas": NUMBER,
                "maxReplicas": NUMBER,
                "scaleTarget": NUMBER,
                "scaleMetric": {"enum": ["cpu", "memory", "concurrency", "rps"]},
                "timeout": NUMBER,
            },
        }
    },
}
OWN = set(KSERVE["properties"]["predictor"]["properties"])  # type: ignore[index]


@cache
def render(folder: str) -> list[dict[str, Any]]:
    made = subprocess.run([KUBECTL, "kustomize", HERE / folder], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return list(yaml.safe_load_all(made.stdout))


def only(folder: str, kind: str) -> dict[str, Any]:
    [found] = [resource for resource in render(folder) if resource["kind"] == kind]
    return copy.deepcopy(found)


def validate(resource: dict[str, Any], version: str) -> None:
    """Raise a ValidationError if this version of Kubernetes, or KServe, would not take the resource."""
    if resource["kind"] == "InferenceService":
        jsonschema.validate(resource["spec"], KSERVE)
        # A predictor is otherwise a PodSpec.
        pod = {name: value for name, value in resource["spec"]["predictor"].items() if name not in OWN}
        resource = {"apiVersion": "v1", "kind": "Pod", "metadata": resource["metadata"], "spec": pod}
    kubernetes_validate.validate(resource, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_manifests_are_valid(folder: str, version: str) -> None:
    for resource in render(folder):
        if resource["kind"] not in MONITORING:
            validate(resource, version)


def _typo(resource: dict[str, Any]) -> None:
    spec = resource["spec"]["template"]["spec"] if resource["kind"] == "Deployment" else resource["spec"]["predictor"]
    spec["containers"][0]["readinessProbe"]["httpGett"] = {}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("folder", "kind", "spoil"),
    [
        ("base", "Deployment", _typo),
        ("base", "HorizontalPodAutoscaler", lambda hpa: hpa["spec"].update(maxReplicas="ten")),
        ("base", "PodDisruptionBudget", lambda pdb: pdb["spec"].update(maxUnavailabel=1)),
        ("base", "NetworkPolicy", lambda policy: policy["spec"].update(ingress={})),
        ("base", "ServiceAccount", lambda account: account.update(automount=False)),
    ],
)
def test_a_broken_manifest_is_caught(
    folder: str, kind: str, spoil: Callable[[dict[str, Any]], None], version: str
) -> None:
    resource = only(folder, kind)
    spoil(resource)
    with pytest.raises(jsonschema.ValidationError):
        validate(resource, version)


@pytest.mark.parametrize(
    "spoil",
    [
        _typo,
        lambda service: service["spec"]["predictor"].update(minReplica=1),
        lambda service: service["spec"]["predictor"].update(scaleMetric="requests"),
        lambda service: service["spec"].update(predicter={}),
    ],
)
@pytest.mark.parametrize("index", [0, 1])
def test_a_broken_inference_service_is_caught(index: int, spoil: Callable[[dict[str, Any]], None]) -> None:
    resource = copy.deepcopy(render("kserve")[index])
    spoil(resource)
    with pytest.raises(jsonschema.ValidationError):
        validate(resource, VERSIONS[-1])


@pytest.mark.parametrize("kind", ["Deployment", "PodDisruptionBudget", "NetworkPolicy"])
def test_every_selector_is_ours_alone(kind: str) -> None:
    spec = only("base", kind)["spec"]
    # An empty one would mean every pod of the namespace.
    assert (spec.get("selector") or spec["podSelector"])["matchLabels"]


def test_prometheus_rule_is_made_of_prometheus_rules() -> None:
    assert kubernetes_rule.FILE.read_text() == kubernetes_rule.rule()


def test_prometheus_finds_the_service() -> None:
    monitor = only("overlays/production", "ServiceMonitor")["spec"]
    [service] = [one for one in render("base") if one["kind"] == "Service" and len(one["spec"]["ports"]) == 2]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert {"targetLabel": "job", "replacement": "service"} in monitor["endpoints"][0]["relabelings"]


def test_a_replica_is_given_the_time_it_takes_to_stop() -> None:
    pod = only("base", "Deployment")["spec"]["template"]["spec"]
    env = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
    takes = float(env["SHUTDOWN_DELAY_SECONDS"] or 0) + float(env["SHUTDOWN_TIMEOUT_SECONDS"] or 0)
    assert pod["terminationGracePeriodSeconds"] > takes
