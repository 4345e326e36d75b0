"""What guards HTTP guards gRPC too: key, places, TLS, a port of one's own; and both are counted alike."""

import re
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import httpx
import psutil
import pytest

from serving.protos import open_inference_pb2 as pb
from tests.models import as_rows
from tests.servers import Server, free_port, grpc_health, serving
from tests.serving.load import MESSAGE, ROWS
from tests.serving.test_oip import call
from tests.serving.test_service import metrics
from tests.serving.test_start import refusal

pytestmark = pytest.mark.slow

KEY = (("authorization", "Bearer second"),)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that it signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    alternative = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, *alternative, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


@pytest.fixture(scope="module")
def guarded(home: Path, certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service with keys and TLS."""
    cert, key = map(str, certificate)
    settings = {"API_KEYS": "first second", "TLS_CERT": cert, "TLS_KEY": key, "SSL_CERT_FILE": cert}
    with serving(home, tmp_path_factory.mktemp("guarded") / "log", settings) as server:
        yield server


@pytest.fixture
def channel(guarded: Server, certificate: tuple[Path, Path]) -> Iterator[grpc.Channel]:
    credentials = grpc.ssl_channel_credentials(certificate[0].read_bytes())
    with grpc.secure_channel(guarded.grpc, credentials) as channel:
        yield channel


def code(channel: grpc.Channel, method: str, request: object, **options: object) -> grpc.StatusCode:
    try:
        call(channel, method, request, **options)
    except grpc.RpcError as error:
        status: grpc.StatusCode = error.code()
        return status
    return grpc.StatusCode.OK


def test_grpc_asks_for_the_key_where_http_does(channel: grpc.Channel) -> None:
    load = pb.RepositoryModelLoadRequest(model_name="gender_classifier")
    for method, request in (("ModelInfer", MESSAGE), ("RepositoryModelLoad", load)):
        assert code(channel, method, request) == grpc.StatusCode.UNAUTHENTICATED
        assert (
            code(channel, method, request, metadata=(("authorization", "Bearer x"),)) == grpc.StatusCode.UNAUTHENTICATED
        )
        assert code(channel, method, request, metadata=KEY) == grpc.StatusCode.OK
    assert code(channel, "ServerLive", pb.ServerLiveRequest()) == grpc.StatusCode.OK
    assert code(channel, "RepositoryIndex", pb.RepositoryIndexRequest()) == grpc.StatusCode.OK
    assert grpc_health(channel) == 1


def test_tls_and_keys_over_http(guarded: Server, certificate: tuple[Path, Path]) -> None:
    with httpx.Client(base_url=guarded.url, verify=ssl.create_default_context(cafile=certificate[0])) as client:
        body = {"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, ROWS.size], "data": ROWS[0].tolist()}]}
        path = "/v2/models/gender_classifier/infer"
        assert client.post(path, json=body).status_code == 401
        assert client.post("/v2/repository/models/gender_classifier/load").status_code == 401
        assert client.post("/v2/repository/index").status_code == 200
        assert client.post(path, json=body, headers={"Authorization": "Bearer first"}).status_code == 200
        assert client.get("/v2/models/gender_classifier").status_code == 200


def test_plain_clients_are_not_served_beside_tls(guarded: Server) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(guarded.url.replace("https", "http"))
    with grpc.insecure_channel(guarded.grpc) as plain:
        assert code(plain, "ServerLive", pb.ServerLiveRequest()) == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"TLS_CERT": "cert.pem"}, "TLS needs both TLS_CERT and TLS_KEY, and one of them is empty"),
        (
            {"TLS_CERT": "/none/c.pem", "TLS_KEY": "/none/k.pem"},
            "TLS_CERT=/none/c.pem and TLS_KEY=/none/k.pem are no cert",
        ),
        ({"GRPC_PORT": "70000"}, "GRPC_PORT is '70000' (port for gRPC"),
    ],
)
def test_a_server_that_cannot_be_protected_does_not_start(home: Path, settings: dict[str, str], sentence: str) -> None:
    assert sentence in refusal(home, settings)


def test_a_grpc_port_that_is_taken(server: Server, home: Path) -> None:
    port = server.grpc.split(":")[1]
    assert f"port {port} is in use: set GRPC_PORT to another port" in refusal(home, {"GRPC_PORT": port})


def test_one_port_for_both(home: Path) -> None:
    port = free_port()
    assert f"port {port} is both HTTP's and gRPC's" in refusal(home, {"GRPC_PORT": str(port)}, port)


def test_grpc_is_counted_as_http_is(home: Path, tmp_path: Path) -> None:
    with serving(home, tmp_path / "log", {"WORKERS": "2"}) as server, httpx.Client(base_url=server.url) as client:
        for _ in range(8):
            with grpc.insecure_channel(server.grpc, [("grpc.use_local_subchannel_pool", 1)]) as own:
                assert code(own, "ModelInfer", MESSAGE) == grpc.StatusCode.OK
                wrong = pb.ModelInferRequest(model_name="x")
                assert code(own, "ModelInfer", wrong) == grpc.StatusCode.NOT_FOUND
        assert client.post("/v2/models/gender_classifier/infer", json={}).status_code == 400
        assert client.post("/predict_one", json=as_rows(ROWS)[0]).status_code == 200
        text = client.get("/metrics").text
        seen = metrics(client)
    counted = re.findall(
        r'^bentoml_service_request_total\{endpoint="([^"]+)",http_response_code="(\d+)".*\} (\S+)$', text, re.MULTILINE
    )
    totals = {(endpoint, status): float(value) for endpoint, status, value in counted if float(value)}
    assert totals == {
        ("/inference.GRPCInferenceService/ModelInfer", "200"): 8,
        ("/inference.GRPCInferenceService/ModelInfer", "404"): 8,
        ("/v2/models/{model}/infer", "400"): 1,
        ("/predict_one", "200"): 1,
    }
    predictions = {key[2]: value for key, value in seen.items() if key[0] == "model_predictions_total" and value}
    assert predictions == {"grpc": 8, "http": 1}
    in_progress = [value for key, value in seen.items() if key[0] == "bentoml_service_request_in_progress"]
    assert in_progress
    assert not any(in_progress)
    assert seen["model_prediction_seconds_count", "grpc"] == 8


def test_grpc_off(home: Path, tmp_path: Path) -> None:
    with serving(home, tmp_path / "log", {"GRPC_PORT": "0"}) as server:
        assert httpx.post(f"{server.url}/predict_one", json=as_rows(ROWS)[0]).status_code == 200
        everyone = psutil.Process(server.process.pid).children()
        listening = [c.laddr.port for each in everyone for c in each.net_connections("tcp") if c.status == "LISTEN"]
        assert set(listening) == {int(server.url.rpartition(":")[2])}


def test_grpc_overload_is_told_early(home: Path, tmp_path: Path) -> None:
    with (
        serving(home, tmp_path / "log", {"MAX_CONCURRENCY": "1"}) as server,
        grpc.insecure_channel(server.grpc) as channel,
    ):
        body = {"rows": as_rows(ROWS)}

        def over_http(_: int) -> None:
            httpx.post(f"{server.url}/predict", json=body, timeout=60)

        # A call of /predict holds the only place while it gathers others.
        with ThreadPoolExecutor(6) as pool:
            waiting = pool.map(over_http, range(60))
            codes = {code(channel, "ModelInfer", MESSAGE) for _ in range(200)}
            list(waiting)
        assert codes == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert code(channel, "ModelInfer", MESSAGE) == grpc.StatusCode.OK
