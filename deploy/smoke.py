"""Runs an image as it is deployed and asks what a deployment relies on: python -m deploy.smoke ENGINE IMAGE."""

import json
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import httpx

from serving.schema import MODEL_NAME, NAMES, Row

# As deploy/kubernetes/base/deployment.yaml has it: nothing to write to, no capability.
HARDENED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
PORTS = ["--publish=127.0.0.1::3000", "--publish=127.0.0.1::3001"]
READY_SECONDS = 90
STOP_SECONDS = 5
# What the kernel says of the service's process, and has to.
CONFINED = {"CapEff": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1"}


class SmokeError(Exception):
    """The image does not do what it has to. The message is one sentence."""


class Container:
    """A running container of an image."""

    def __init__(self, engine: str, image: str, *options: str) -> None:
        self.engine = engine
        self.id = ""
        started = self._run("run", "--detach", *options, image)
        if started.returncode:
            raise SmokeError(f"{image} does not start: {started.stderr.strip().splitlines()[-1]}")
        self.id = started.stdout.strip()

    def address(self, inside: int) -> str:
        """Return where a port of the container is published."""
        return self._run("port", self.id, f"{inside}/tcp").stdout.split()[0]

    def exec(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self._run("exec", self.id, *command)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self._run("inspect", "--format={{json .State}}", self.id).stdout)
        return state

    def healthy(self) -> bool:
        """Ask the health check of the image."""
        if Path(self.engine).name == "podman":
            return self._run("healthcheck", "run", self.id).returncode == 0
        # Docker asks by itself.
        end = time.monotonic() + 30
        while (health := str(self.state()["Health"]["Status"])) == "starting" and time.monotonic() < end:
            time.sleep(0.5)
        return health == "healthy"

    def stop(self) -> float:
        """Send SIGTERM and wait. Returns the seconds it took."""
        began = time.monotonic()
        self._run("stop", self.id)
        return time.monotonic() - began

    def output(self) -> str:
        logs = self._run("logs", self.id)
        return logs.stdout + logs.stderr

    def remove(self) -> None:
        self._run("rm", "--force", "--volumes", self.id)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([self.engine, *arguments], capture_output=True, text=True, check=False)


def wait(container: Container, client: httpx.Client) -> None:
    """Wait until a container's service is ready.

    Raises:
        SmokeError: the container ended, or is not ready in time.
    """
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        with suppress(httpx.TransportError):
            if client.get("/readyz").is_success:
                return
        if not (state := container.state())["Running"]:
            raise SmokeError(f"the container ended with exit code {state['ExitCode']}")
        time.sleep(0.3)
    raise SmokeError(f"/readyz did not answer 200 within {READY_SECONDS} s")


def ask_http(client: httpx.Client, ui: bool = True) -> str:
    """Ask for a prediction, the metrics and the page. Returns the label. Raises SmokeError."""
    row: dict[str, Any] = Row.model_json_schema()["examples"][0]
    answer = client.post("/predict", json={"rows": [row]})
    if not answer.is_success:
        raise SmokeError(f"POST /predict answered {answer.status_code}: {answer.text}")
    if "model_predictions_total" not in client.get("/metrics").text:
        raise SmokeError("/metrics has no model_predictions_total")
    page = client.get("/ui/", timeout=120)
    if ui != ("gradio_config = " in page.text):
        raise SmokeError(f"GET /ui/ answered {page.status_code}, {'without' if ui else 'with'} the page")
    label: str = answer.json()[0]["label"]
    return label


def ask_grpc(address: str) -> str:
    """Ask for the same prediction by the Open Inference Protocol. Returns the label. Raises SmokeError."""
    from serving.protos import open_inference_pb2 as pb

    row: dict[str, Any] = Row.model_json_schema()["examples"][0]
    request = pb.ModelInferRequest(model_name=MODEL_NAME)
    tensor = request.inputs.add(name="input", datatype="FP64", shape=[1, len(NAMES)])
    tensor.contents.fp64_contents.extend(float(row[name]) for name in NAMES)
    request.outputs.add(name="label")
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelInfer",
            request_serializer=pb.ModelInferRequest.SerializeToString,
            response_deserializer=pb.ModelInferResponse.FromString,
        )
        try:
            label: bytes = call(request, timeout=10).outputs[0].contents.bytes_contents[0]
        except grpc.RpcError as error:
            raise SmokeError(f"gRPC on port 3001 did not predict: {error}") from error
    return label.decode()


def check_confined(container: Container) -> None:
    """Raise SmokeError if the service could do more than it needs to."""
    if container.exec("id", "-u").stdout.strip() in ("", "0"):
        raise SmokeError("the container runs as root")
    status = dict(line.split(":\t", 1) for line in container.exec("cat", "/proc/1/status").stdout.splitlines())
    if wrong := {name: status[name] for name, value in CONFINED.items() if status[name] != value}:
        raise SmokeError(f"the container may do more than it needs to: {wrong}")
    if not container.exec("touch", "/app/file", "/home/bentoml/file").returncode:
        raise SmokeError("the container's root is not read-only")


def main(engine: str, image: str) -> None:
    """Run the image and ask it. Raises SmokeError, and then shows what the container said last."""
    container = Container(engine, image, *HARDENED, *PORTS)
    try:
        with httpx.Client(base_url=f"http://{container.address(3000)}", timeout=10) as client:
            wait(container, client)
            check_confined(container)
            ui = container.exec("printenv", "UI").stdout.strip() != "off"
            if ask_http(client, ui) != ask_grpc(container.address(3001)):
                raise SmokeError("gRPC and HTTP gave two labels for one row")
        if not container.healthy():
            raise SmokeError("the health check of the image says that it is not healthy")
        took, code = container.stop(), container.state()["ExitCode"]
        if took > STOP_SECONDS or code:
            raise SmokeError(f"after SIGTERM it took {took:.1f} s to stop, with exit code {code}")
    except SmokeError:
        print("\n".join(container.output().splitlines()[-20:]), file=sys.stderr)
        raise
    finally:
        container.remove()
    print(
        f"{image} is confined, ready, healthy and measured, predicts over HTTP and gRPC, and stopped in {took:.1f} s."
    )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except SmokeError as error:
        sys.exit(f"error: {error}")
