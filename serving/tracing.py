"""Spans of requests, sent to a collector, if TRACING says so: they cost more than a prediction.

HTTP's are made by OpenTelemetry's own middleware, which BentoML brings along; gRPC's are made here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from bentoml._internal.configuration.containers import BentoMLContainer

if TYPE_CHECKING:
    from grpc.aio import ServicerContext

# The spans of each message received and sent would be twice as many again.
HTTP_OPTIONS: dict[str, Any] = {"exclude_spans": ["receive", "send"]}

T = TypeVar("T")
Handler = Callable[[bytes, "ServicerContext[Any, Any]"], Awaitable[T]]


def configuration(endpoint: str) -> dict[str, Any]:
    """Return what BentoML is told to send every request's span to an OTLP address over HTTP."""
    otlp = {"protocol": "http", "endpoint": endpoint}
    # Probes and scrapes would be most of what a quiet server traces.
    return {"exporter_type": "otlp", "sample_rate": 1.0, "excluded_urls": "livez,readyz,healthz,metrics", "otlp": otlp}


def traced(service: str, method: str, handle: Handler[T]) -> Handler[T]:
    """Put a span around each call of a gRPC method, a child of the caller's if there is one."""
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind

    tracer = BentoMLContainer.tracer_provider.get().get_tracer(__name__)
    attributes = {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}

    async def handle_in_span(raw: bytes, context: ServicerContext[Any, Any]) -> T:
        sent = {name: value for name, value in context.invocation_metadata() or () if isinstance(value, str)}
        name = f"{service}/{method}"
        with tracer.start_as_current_span(name, extract(sent), SpanKind.SERVER, attributes):
            return await handle(raw, context)

    return handle_in_span
