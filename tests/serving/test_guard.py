"""The door: keys, origins, sizes, floods."""

import asyncio
import json
import random
import socket
import string
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import GaussianNB

from serving.schema import CLASSES, FEATURES
from tests.models import as_rows, plausible_rows
from tests.servers import Server, serving

pytestmark = pytest.mark.slow
GOOD = as_rows(plausible_rows(1))[0]
JSON = {"content-type": "application/json"}
ORIGIN = "https://pages.example"


@pytest.fixture(scope="module")
def guarded(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service of one worker with keys, an origin and little room."""
    log = tmp_path_factory.mktemp("guarded") / "log"
    limits = {"MAX_CONCURRENCY": "4", "MAX_BODY_BYTES": "100000"}
    with serving(home, log, {"API_KEYS": "first-key, second-key", "CORS_ORIGINS": ORIGIN, **limits}) as running:
        yield running


def post(server: Server, path: str = "/predict_one", **headers: str) -> httpx.Response:
    return httpx.post(f"{server.url}{path}", json=GOOD, headers=headers, timeout=30)


@pytest.mark.parametrize("given_key", ["first-key", "second-key"])
def test_any_of_the_keys_opens(given_key: str, guarded: Server) -> None:
    assert post(guarded, Authorization=f"Bearer {given_key}").status_code == 200
    assert post(guarded, Authorization=f"bearer  {given_key}").status_code == 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer first-ke", "Basic first-key", "first-key", "Bearer ä"])
@pytest.mark.parametrize("path", ["/predict", "/predict_one", "/explain"])
def test_nothing_else_does(path: str, header: str, guarded: Server) -> None:
    headers = [(b"Authorization", header.encode())] if header else []
    answer = httpx.post(f"{guarded.url}{path}", json=GOOD, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics", "/", "/docs.json"])
def test_health_metrics_and_documents_need_no_key(path: str, guarded: Server) -> None:
    assert httpx.get(f"{guarded.url}{path}").status_code == 200


def test_pages_of_the_origin_may_call_and_read_errors_and_others_may_not(guarded: Server) -> None:
    ask = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = httpx.options(f"{guarded.url}/predict", headers={"Origin": ORIGIN, **ask})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert post(guarded, Origin=ORIGIN).headers["access-control-allow-origin"] == ORIGIN
    refused = httpx.options(f"{guarded.url}/predict", headers={"Origin": "https://other.example", **ask})
    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers
    assert set(refused.json()) == {"error", "detail"}


def test_without_origins_no_page_may_call(server: Server) -> None:
    assert "access-control-allow-origin" not in post(server, Origin=ORIGIN).headers


def worker_memory(server: Server) -> int:
    """Return the bytes that the workers hold, without what they share."""
    return sum(child.memory_full_info().uss for child in psutil.Process(server.process.pid).children(recursive=True))


@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_body_costs_no_memory(chunked: bool, guarded: Server) -> None:
    before = worker_memory(guarded)
    size, seen = 100 * 2**20, [before]

    def body() -> Iterator[bytes]:
        for i in range(size // 2**16):
            yield b" " * 2**16
            if i % 400 == 0:
                seen.append(worker_memory(guarded))

    headers = {"Authorization": "Bearer first-key", "Content-Type": "application/json"}
    if not chunked:
        headers["Content-Length"] = str(size)
    answer = httpx.post(f"{guarded.url}/predict", content=body(), headers=headers, timeout=60)
    assert answer.status_code == 413
    assert "100000 bytes" in answer.json()["error"]
    assert max(*seen, worker_memory(guarded)) - before < 8 * 2**20


def test_too_many_at_once_get_429_and_the_service_recovers(guarded: Server) -> None:
    body = {"rows": as_rows(plausible_rows(500))}
    headers = {"Authorization": "Bearer first-key"}

    async def flood() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=100)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            calls = (client.post(f"{guarded.url}/predict", json=body, headers=headers) for _ in range(200))
            return await asyncio.gather(*calls)

    answers = asyncio.run(flood())
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert refused[0].headers["retry-after"] == "1"
    assert "too many" in refused[0].json()["error"]
    assert post(guarded, Authorization="Bearer first-key").status_code == 200


def test_half_sent_bodies_do_not_keep_others_out(guarded: Server) -> None:
    host, port = guarded.url.removeprefix("http://").split(":")
    head = "POST /predict HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer first-key\r\nContent-Type: application/json\r\n"
    slow = [socket.create_connection((host, int(port))) for _ in range(200)]
    try:
        for connection in slow:
            connection.sendall(f'{head}Content-Length: 5000\r\n\r\n{{"rows": ['.encode())
        time.sleep(0.5)
        for _ in range(20):
            assert post(guarded, Authorization="Bearer first-key").status_code == 200
    finally:
        for connection in slow:
            connection.close()


def footprint(server: Server) -> tuple[int, int, int]:
    """Return (series, bytes of the multiprocess metric files, bytes of memory)."""
    series = sum(not line.startswith("#") for line in httpx.get(f"{server.url}/metrics").text.splitlines())
    worker = psutil.Process(server.process.pid).children(recursive=True)[-1]
    folder = Path(worker.environ()["PROMETHEUS_MULTIPROC_DIR"])
    return series, sum(file.stat().st_size for file in folder.glob("*.db")), worker_memory(server)


def test_unknown_urls_methods_and_headers_leave_no_trace(server: Server) -> None:
    letters = random.Random(1)

    def word() -> str:
        return "".join(letters.choices(string.ascii_letters, k=12))

    def scan(requests: list[tuple[str, str, dict[str, str]]]) -> None:
        def some(part: int) -> None:
            with httpx.Client(base_url=server.url, timeout=30) as client:
                for method, path, headers in requests[part::8]:
                    assert 400 <= client.request(method, path, headers=headers).status_code < 500

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(some, range(8)))

    methods = ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "REPORT", "MKCOL", "LOCK", "SEARCH")
    scan([(method, f"/{word()}", {}) for method in methods for _ in range(50)])
    series, files, memory = footprint(server)
    scan([("GET", f"/{word()}/{word()}", {}) for _ in range(10_000)])
    scan([(word().upper(), "/predict", {word(): word()}) for _ in range(5_000)])
    scan([(letters.choice(methods), "/predict", {word(): word()}) for _ in range(5_000)])
    after_series, after_files, after_memory = footprint(server)
    assert after_series <= series + 20
    assert after_files == files
    assert after_memory < memory + 10 * 2**20


good_rows = st.fixed_dictionaries(
    {
        f.name: st.integers(int(f.low), int(f.high)) | st.floats(f.low, f.high).map(lambda x: round(x, 3))
        if hasattr(f, "unit")
        else st.sampled_from([0, 1, 0.0, 1.0])
        for f in FEATURES
    }
)
bad_values = st.none() | st.booleans() | st.text() | st.just(-1) | st.just(1e9) | st.lists(st.integers())
bad_rows = st.tuples(good_rows, st.sampled_from([f.name for f in FEATURES]), bad_values).map(
    lambda made: {**made[0], made[1]: made[2]}
)
requests = st.lists(
    st.tuples(st.just(True), st.lists(good_rows, min_size=1, max_size=4))
    | st.tuples(st.just(False), st.tuples(st.lists(good_rows, max_size=3), bad_rows).map(lambda p: [*p[0], p[1]])),
    min_size=2,
    max_size=24,
)


@given(requests)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_good_rows_are_answered_right_whatever_arrives_beside_them(
    server: Server, estimator: GaussianNB, made: list[tuple[bool, list[dict[str, float]]]]
) -> None:
    async def send() -> list[httpx.Response]:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
            return await asyncio.gather(
                *(client.post("/predict", content=json.dumps({"rows": rows}), headers=JSON) for _, rows in made)
            )

    for (good, rows), answer in zip(made, asyncio.run(send()), strict=True):
        assert answer.status_code == (200 if good else 400)
        if good:
            values = np.array([[row[f.name] for f in FEATURES] for row in rows], dtype=np.float64)
            served = np.array([[each["probabilities"][name] for name in CLASSES] for each in answer.json()])
            assert np.abs(served - estimator.predict_proba(values)).max() < 1e-12
