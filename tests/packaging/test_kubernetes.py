"""The manifests of deploy/kubernetes, as kustomize renders them, against the schemas of two versions of Kubernetes."""

import copy
import shutil
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


def build(folder: Path) -> list[dict[str, Any]]:
    made = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return list(yaml.safe_load_all(made.stdout))


@cache
def render(folder: str) -> list[dict[str, Any]]:
    return build(HERE / folder)


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


def check(resources: list[dict[str, Any]], version: str) -> None:
    """Raise an AssertionError or a ValidationError if something is wrong with what a folder renders to."""
    for resource in resources:
        if resource["kind"] not in MONITORING:
            validate(resource, version)
    for monitor in (one["spec"] for one in resources if one["kind"] == "ServiceMonitor"):
        services = [one for one in resources if one["kind"] == "Service" and len(one["spec"]["ports"]) == 2]
        [labels] = [one["metadata"]["labels"] for one in services]
        assert monitor["selector"]["matchLabels"].items() <= labels.items()
        [endpoint] = monitor["endpoints"]
        assert endpoint["port"] in {port["name"] for one in services for port in one["spec"]["ports"]}
        assert {"targetLabel": "job", "replacement": "service"} in endpoint["relabelings"]
    for rule in (one for one in resources if one["kind"] == "PrometheusRule"):
        assert rule["spec"] == yaml.safe_load(kubernetes_rule.rule())["spec"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_manifests_are_valid(folder: str, version: str) -> None:
    check(render(folder), version)


# One mistake in each file, of the kind that its reader would overlook, and the folder that it shows in.
MISTAKES = {
    "base/autoscaler.yaml": ("maxReplicas: 10", 'maxReplicas: "ten"', "base"),
    "base/deployment.yaml": ("readOnlyRootFilesystem", "readOnlyRootFileSystem", "base"),
    "base/disruption.yaml": ("maxUnavailable", "maxUnavailabel", "base"),
    "base/kustomization.yaml": ("network.yaml", "netwrok.yaml", "base"),
    "base/network.yaml": ("- ports: [{port: 5432}]", "- port: [{port: 5432}]", "base"),
    "base/service.yaml": ("targetPort: http", "targetport: http", "base"),
    "base/serviceaccount.yaml": ("automountServiceAccountToken: false", 'automountServiceAccountToken: "no"', "base"),
    "components/monitoring/kustomization.yaml": ("kind: Component", "kind: Kustomization", "overlays/production"),
    "components/monitoring/prometheusrule.yaml": ("[5m]", "[6m]", "overlays/production"),
    "components/monitoring/servicemonitor.yaml": ("port: http", "port: metrics", "overlays/production"),
    "kserve/grpc.yaml": ("scaleMetric: concurrency", "scaleMetric: requests", "kserve"),
    "kserve/http.yaml": ("containerPort: 3000", 'containerPort: "3000"', "kserve"),
    "kserve/kustomization.yaml": ("grpc.yaml", "grcp.yaml", "kserve"),
    "overlays/production/kustomization.yaml": ("env/3/name", "env/2/name", "overlays/production"),
    "overlays/small/kustomization.yaml": ("/spec/replicas, value: 1", "/spec/replica, value: 1", "overlays/small"),
}


def test_every_file_has_its_mistake() -> None:
    assert set(MISTAKES) == {str(file.relative_to(HERE)) for file in HERE.rglob("*.yaml")}


@pytest.mark.parametrize("file", MISTAKES)
def test_a_mistake_in_a_file_is_caught(file: str, tmp_path: Path) -> None:
    before, after, folder = MISTAKES[file]
    shutil.copytree(HERE, tmp_path / "kubernetes")
    text = (HERE / file).read_text()
    assert before in text
    (tmp_path / "kubernetes" / file).write_text(text.replace(before, after))
    with pytest.raises((AssertionError, jsonschema.ValidationError)):
        check(build(tmp_path / "kubernetes" / folder), VERSIONS[-1])


def _typo(resource: dict[str, Any]) -> None:
    resource["spec"]["predictor"]["containers"][0]["readinessProbe"]["httpGett"] = {}


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


@pytest.mark.parametrize("folder", FOLDERS)
def test_secrets_come_by_reference(folder: str) -> None:
    resources = render(folder)
    assert not any(resource["kind"] == "Secret" for resource in resources)
    for resource in resources:
        spec = resource.get("spec", {})
        pod = spec.get("predictor") or spec.get("template", {}).get("spec", {})
        for container in pod.get("containers", []):
            secret = {one["name"]: one for one in container["env"] if one["name"] in {"API_KEYS", "PREDICTION_LOG_URL"}}
            assert len(secret) == 2
            for one in secret.values():
                assert one["valueFrom"]["secretKeyRef"]["optional"] is (folder != "overlays/production")


def test_production_scales_on_cpu_and_on_requests_in_flight() -> None:
    cpu, flight = only("overlays/production", "HorizontalPodAutoscaler")["spec"]["metrics"]
    assert cpu["resource"]["name"] == "cpu"
    # The gauge that the alert Saturated looks at, too.
    assert (
        flight["pods"]["metric"]["name"] in (ROOT / "monitoring" / "prometheus" / "rules" / "service.yml").read_text()
    )


def test_a_replica_is_given_the_time_it_takes_to_stop() -> None:
    pod = only("base", "Deployment")["spec"]["template"]["spec"]
    env = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
    takes = float(env["SHUTDOWN_DELAY_SECONDS"] or 0) + float(env["SHUTDOWN_TIMEOUT_SECONDS"] or 0)
    assert pod["terminationGracePeriodSeconds"] > takes
