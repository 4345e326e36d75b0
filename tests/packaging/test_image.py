"""`make image` with the engine that is there, and the container it makes."""

import subprocess
import time

import httpx
import pytest

from serving.schema import Row
from tests.servers import free_port

pytestmark = pytest.mark.slow

ROW = Row.model_json_schema()["examples"][0]


def test_image_is_there(engine: str, image: str) -> None:
    assert subprocess.run([engine, "image", "inspect", image], capture_output=True, check=False).returncode == 0


def test_container_answers(engine: str, image: str, model: str) -> None:
    port = free_port()
    run = [engine, "run", "--detach", "--publish", f"127.0.0.1:{port}:3000", image]
    container = subprocess.run(run, capture_output=True, text=True, check=True).stdout.strip()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=httpx.HTTPTransport(retries=3)) as client:
            wait_ready(client)
            [prediction] = client.post("/predict", json={"rows": [ROW]}).raise_for_status().json()
        assert prediction["model"] == model
        began = time.monotonic()
        subprocess.run([engine, "stop", container], capture_output=True, check=True)
        assert time.monotonic() - began < 9, "it did not stop at SIGTERM and was killed"
    finally:
        subprocess.run([engine, "rm", "--force", container], capture_output=True, check=True)


def wait_ready(client: httpx.Client, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if client.get("/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise AssertionError("the container is not ready")
