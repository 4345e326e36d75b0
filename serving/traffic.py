"""BentoML's request metrics with a bounded set of endpoints, for every protocol.

BentoML's own middleware labels every series with the raw path: a scanner that asks for 100,000 paths leaves 100,000
series in memory, on disk and in every scrape. It also knows HTTP only, and looks every series up again per request.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from time import perf_counter
from types import SimpleNamespace
from typing import TYPE_CHECKING

from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.context import server_context

from serving.tally import Histogram, Tally

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNMATCHED = "unmatched"
_SERVICE = ("service_name", "service_version", "runner_name")


@cache
def _families() -> SimpleNamespace:
    # prometheus_client looks for PROMETHEUS_MULTIPROC_DIR when it is imported, and BentoML sets it for workers only.
    from prometheus_client import Counter, Gauge
    from prometheus_client import Histogram as Buckets

    def name(short: str) -> str:
        return f"{BentoMLContainer.api_server_config.metrics.namespace.get()}_{short}"

    response = ("endpoint", "http_response_code", *_SERVICE)
    return SimpleNamespace(
        total=Counter(name("request_total"), "Requests answered", response),
        seconds=Buckets(
            name("request_duration_seconds"),
            "Time from a request to the end of its answer",
            response,
            buckets=BentoMLContainer.duration_buckets.get(),
        ),
        in_progress=Gauge(
            name("request_in_progress"),
            "Requests being answered now",
            ("endpoint", *_SERVICE),
            multiprocess_mode="livesum",
        ),
        places=Gauge("service_places", "Requests that can be answered at once", multiprocess_mode="livesum"),
    )


class Traffic:
    """Counts the requests of one worker, whatever their protocol."""

    def __init__(self) -> None:
        f = _families()
        service = {
            "service_name": server_context.bento_name,
            "service_version": server_context.bento_version,
            "runner_name": server_context.service_name,
        }
        # Looked up once: a look-up by labels costs more than the count itself.
        # All of it is counted on the event loop, so there is nobody to lock out.
        self.in_progress = cache(lambda endpoint: Tally(f.in_progress.labels(endpoint=endpoint, **service)._value))
        self._answered = cache(
            lambda endpoint, status: (
                Tally(f.total.labels(endpoint=endpoint, http_response_code=status, **service)._value),
                Histogram(f.seconds.labels(endpoint=endpoint, http_response_code=status, **service)),
            )
        )

    def has_places(self, places: int) -> None:
        """Say how many requests this worker takes at once: what is in progress is judged by it."""
        _families().places.set(places)

    def expect(self, endpoint: str) -> None:
        """Make the series of an endpoint before its first request, so that a rate() does not miss that."""
        self.in_progress(endpoint)
        for status in (200, 500):
            self._answered(endpoint, status)

    def answered(self, endpoint: str, status: int, seconds: float) -> None:
        """Count an answer. `status` is HTTP's, also for gRPC: one rule tells errors of both."""
        total, duration = self._answered(endpoint, status)
        total.add()
        duration.observe(seconds)


class TrafficMiddleware:
    """Counts every HTTP request but those for metrics and health.

    Args:
        label: names the series for a path, one of a bounded set; empty is not counted.
    """

    def __init__(self, app: ASGIApp, traffic: Callable[[], Traffic], label: Callable[[str], str]) -> None:
        self._app = app
        self._traffic = traffic
        self._label = label

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._label(scope["path"]) if scope["type"] == "http" else ""
        if not endpoint:
            await self._app(scope, receive, send)
            return
        start, status = perf_counter(), 500
        traffic = self._traffic()
        in_progress = traffic.in_progress(endpoint)

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif not message.get("more_body", False):
                # Before the last of it is sent: who has the answer finds it counted.
                traffic.answered(endpoint, status, perf_counter() - start)
            await send(message)

        in_progress.add()
        try:
            await self._app(scope, receive, counted)
        finally:
            in_progress.add(-1)
