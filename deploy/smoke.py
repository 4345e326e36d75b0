"""Runs an image as it is deployed and asks it over HTTP and gRPC: python -m deploy.smoke ENGINE IMAGE."""

import subprocess
import sys
import time
from typing import Any

import grpc
import httpx

from serving.schema import MODEL_NAME, NAMES, Row

# As deploy/kubernetes/base/deployment.yaml has it: an unknown user, nothing to write to but /tmp, no capability.
HARDENED = ["--read-only", "--tmpfs=/tmp:mode=1777", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
HOME = "--env=BENTOML_HOME=/tmp/bentoml"
PORTS = ["--publish=127.0.0.1::3000", "--publish=127.0.0.1::3001"]
READY_SECONDS = 90


def _port(engine: str, container: str, inside: int) -> str:
    out = subprocess.run([engine, "port", container, f"{inside}/tcp"], capture_output=True, text=True, check=True)
    return out.stdout.split()[0].rpartition(":")[2]


def _wait(client: httpx.Client) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            if client.get("/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    sys.exit(f"error: the image is not ready after {READY_SECONDS} s: /readyz never answered 200")


def ask(http: str, grpc_address: str) -> None:
    """Ask a running service for a prediction over each protocol.

    Raises:
        SystemExit: an answer is not what it has to be; the message is one sentence.
    """
    from serving.protos import open_inference_pb2 as pb

    row: dict[str, Any] = Row.model_json_schema()["examples"][0]
    with httpx.Client(base_url=http, timeout=10) as client:
        _wait(client)
        answer = client.post("/predict", json={"rows": [row]})
        if not answer.is_success:
            sys.exit(f"error: POST /predict answered {answer.status_code}: {answer.text}")
        label = answer.json()[0]["label"]
        request = pb.ModelInferRequest(model_name=MODEL_NAME)
        tensor = request.inputs.add(name="input", datatype="FP64", shape=[1, len(NAMES)])
        tensor.contents.fp64_contents.extend(float(row[name]) for name in NAMES)
        request.outputs.add(name="label")
        with grpc.insecure_channel(grpc_address) as channel:
            call = channel.unary_unary(
                "/inference.GRPCInferenceService/ModelInfer",
                request_serializer=pb.ModelInferRequest.SerializeToString,
                response_deserializer=pb.ModelInferResponse.FromString,
            )
            try:
                outputs = call(request, timeout=10).outputs
            except grpc.RpcError as error:
                sys.exit(f"error: gRPC on port 3001 did not predict: {error}")
        if outputs[0].contents.bytes_contents[0].decode() != label:
            sys.exit("error: gRPC and HTTP gave two labels for one row")
        if "model_predictions_total" not in client.get("/metrics").text:
            sys.exit("error: /metrics has no model_predictions_total")


def main(engine: str, image: str) -> None:
    run = [engine, "run", "--detach", *HARDENED, HOME, *PORTS, image]
    started = subprocess.run(run, capture_output=True, text=True, check=False)
    if started.returncode:
        sys.exit(f"error: {image} does not start: {started.stderr.strip().splitlines()[-1]}")
    container = started.stdout.strip()
    try:
        ask(f"http://127.0.0.1:{_port(engine, container, 3000)}", f"127.0.0.1:{_port(engine, container, 3001)}")
    except BaseException:
        subprocess.run([engine, "logs", "--tail", "20", container], check=False)
        raise
    finally:
        subprocess.run([engine, "rm", "--force", container], capture_output=True, check=False)
    print(f"{image} is ready, predicts over HTTP and gRPC, and is measured.")


if __name__ == "__main__":
    main(*sys.argv[1:])
