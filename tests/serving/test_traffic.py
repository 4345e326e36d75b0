"""The request metrics are ours under BentoML's names: whoever has a dashboard for those finds the same series."""

from collections.abc import Iterator

import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from prometheus_client import REGISTRY
from starlette.types import Receive, Scope, Send

from serving import traffic


@pytest.fixture
def theirs(monkeypatch: pytest.MonkeyPatch) -> Iterator[RunnerTrafficMetricsMiddleware]:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError

    middleware = RunnerTrafficMetricsMiddleware(nothing, namespace="theirs")
    before = set(REGISTRY._collector_to_names)
    middleware._setup()
    yield middleware
    for collector in set(REGISTRY._collector_to_names) - before:
        REGISTRY.unregister(collector)


def test_names_labels_and_buckets_are_bentoml_s(theirs: RunnerTrafficMetricsMiddleware) -> None:
    ours = traffic._families()
    namespace = BentoMLContainer.api_server_config.metrics.namespace.get()
    for name, mine in (("total", ours.total), ("duration", ours.seconds), ("in_progress", ours.in_progress)):
        original = getattr(theirs, f"metrics_request_{name}")
        assert mine._name.removeprefix(namespace) == original._name.removeprefix("theirs")
        assert set(mine._labelnames) == set(original._labelnames)
    assert ours.seconds._upper_bounds == theirs.metrics_request_duration._upper_bounds
