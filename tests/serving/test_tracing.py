"""What TRACING and ACCESS_LOG bring back, with a collector that takes what it gets."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.models import as_rows, plausible_rows
from tests.servers import serving
from tests.serving.load import MESSAGE
from tests.serving.test_oip import call

pytestmark = pytest.mark.slow

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector(ThreadingHTTPServer):
    """An OTLP receiver."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.more = threading.Condition()
        super().__init__(("127.0.0.1", 0), _Handler)

    def wait_for(self, name: str) -> Span:
        with self.more:
            assert self.more.wait_for(lambda: any(span.name == name for span in self.spans), timeout=60), self.spans
        return next(span for span in self.spans if span.name == name)


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        assert self.path == "/v1/traces"
        request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.more:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    self.server.spans += scope.spans
            self.server.more.notify_all()
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_both_come_back_with_a_setting_each(home: Path, tmp_path: Path, collector: Collector) -> None:
    row = as_rows(plausible_rows(1))[0]
    settings = {
        "TRACING": f"http://127.0.0.1:{collector.server_port}",
        "ACCESS_LOG": "on",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    with serving(home, tmp_path / "log", settings) as server:
        sent = httpx.post(f"{server.url}/predict_one", json=row, headers={"traceparent": PARENT})
        assert sent.status_code == 200
        with grpc.insecure_channel(server.grpc) as channel:
            call(channel, "ModelInfer", MESSAGE, metadata=(("traceparent", PARENT),))
        http = collector.wait_for("POST /predict_one")
        infer = collector.wait_for("inference.GRPCInferenceService/ModelInfer")
        for span in (http, infer):
            assert span.trace_id.hex() == PARENT.split("-")[1]
            assert span.parent_span_id.hex() == PARENT.split("-")[2]
            assert span.kind == Span.SPAN_KIND_SERVER
        # Of a request there is one span, and of the probes that waited for the server none.
        assert not [span for span in collector.spans if "readyz" in span.name or "http" in span.name]
    lines = (tmp_path / "log").read_text().splitlines()
    assert any("path=/predict_one" in line and "status=200" in line for line in lines)
    assert any("path=/inference.GRPCInferenceService/ModelInfer" in line and "status=200" in line for line in lines)
