"""The ways into the servers: what a request for n rows looks like on the wire, and where its answer has the numbers."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.model import Floats
from serving.protos import open_inference_pb2 as pb
from serving.schema import CLASSES, MODEL_NAME, NAMES

_INFER = f"/v2/models/{MODEL_NAME}/infer"
_METHOD = "/inference.GRPCInferenceService/ModelInfer"


@dataclass(frozen=True)
class Lane:
    """One way into a server.

    Args:
        request: from rows, float64 [n, d], to the bytes to send: for HTTP the whole request, for gRPC the message.
        probabilities: from the answer's bytes to [n, K]; for HTTP the body, for gRPC the message. None if it has none.
        grpc: the method's full name; empty is HTTP.
    """

    request: Callable[[Floats], bytes]
    probabilities: Callable[[bytes], Floats] | None
    grpc: str = ""


def _post(path: str, body: bytes, *headers: str) -> bytes:
    lines = (f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *headers, f"Content-Length: {len(body)}", "", "")
    return "\r\n".join(lines).encode() + body


def _json(path: str, content: object) -> bytes:
    return _post(path, json.dumps(content, separators=(",", ":")).encode(), "Content-Type: application/json")


def _named(rows: Floats) -> list[dict[str, float]]:
    return [dict(zip(NAMES, row, strict=True)) for row in rows.tolist()]


def _of_classes(predictions: list[Any]) -> Floats:
    return np.array([[each["probabilities"][name] for name in CLASSES] for each in predictions])


def _at(*path: str | int) -> Callable[[bytes], Floats]:
    def read(answer: bytes) -> Floats:
        found = json.loads(answer)
        for step in path:
            found = found[step]
        return np.array(found, dtype=np.float64)

    return read


def _infer_json(path: str, rows: Floats, outputs: list[dict[str, str]]) -> bytes:
    tensor = {"name": "input", "shape": list(rows.shape), "datatype": "FP64", "data": rows.ravel().tolist()}
    return _json(path, {"inputs": [tensor], **({"outputs": outputs} if outputs else {})})


def _message(model: str, rows: Floats, outputs: tuple[str, ...] = ()) -> bytes:
    request = pb.ModelInferRequest(model_name=model, raw_input_contents=[np.ascontiguousarray(rows).tobytes()])
    request.inputs.add(name="input", datatype="FP64", shape=rows.shape)
    for name in outputs:
        request.outputs.add(name=name)
    message: bytes = request.SerializeToString()
    return message


def _in_message(name: str) -> Callable[[bytes], Floats]:
    def read(answer: bytes) -> Floats:
        response = pb.ModelInferResponse.FromString(answer)
        place = [output.name for output in response.outputs].index(name)
        tensor = response.outputs[place]
        if response.raw_output_contents:
            values = np.frombuffer(response.raw_output_contents[place])
        else:
            values = np.array(tensor.contents.fp64_contents)
        return values.reshape(tensor.shape)

    return read


def _infer_binary(rows: Floats, outputs: tuple[str, ...]) -> bytes:
    content = np.ascontiguousarray(rows).tobytes()
    tensor = {
        "name": "input",
        "shape": list(rows.shape),
        "datatype": "FP64",
        "parameters": {"binary_data_size": len(content)},
    }
    asked = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
    rest = {"outputs": asked} if asked else {"parameters": {"binary_data_output": True}}
    header = json.dumps({"inputs": [tensor], **rest}, separators=(",", ":")).encode()
    return _post(_INFER, header + content, f"Inference-Header-Content-Length: {len(header)}")


def _tensors(answer: bytes) -> Floats:
    """Read the tensor `probabilities` of an answer in the protocol's JSON, with or without binary data behind it."""
    # Binary data are no text: Latin-1 reads any byte, one for one.
    document, offset = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
    for output in document["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size", 0)
        if output["name"] == "probabilities":
            values = np.frombuffer(answer, np.float64, size // 8, offset) if size else np.array(output["data"])
            return values.reshape(output["shape"])
        offset += size
    raise ValueError(f"no probabilities in {answer[:200]!r}")


LANES = {
    "/predict_one": Lane(
        lambda rows: _json("/predict_one", _named(rows)[0]), lambda answer: _of_classes([json.loads(answer)])
    ),
    "/predict": Lane(
        lambda rows: _json("/predict", {"rows": _named(rows)}), lambda answer: _of_classes(json.loads(answer))
    ),
    "OIP JSON": Lane(lambda rows: _infer_json(_INFER, rows, []), _tensors),
    "OIP binary": Lane(lambda rows: _infer_binary(rows, ()), _tensors),
    "OIP binary, probabilities": Lane(lambda rows: _infer_binary(rows, ("probabilities",)), _tensors),
    "MLServer JSON": Lane(
        lambda rows: _infer_json("/v2/models/classifier/infer", rows, [{"name": "predict_proba"}]),
        lambda answer: _at("outputs", 0, "data")(answer).reshape(-1, len(CLASSES)),
    ),
    "LitServe": Lane(lambda rows: _json("/predict", {"rows": _named(rows)}), _at("probabilities")),
    "MLflow": Lane(
        lambda rows: _json("/invocations", {"dataframe_split": {"columns": NAMES, "data": rows.tolist()}}),
        _at("predictions"),
    ),
    "OIP gRPC": Lane(lambda rows: _message(MODEL_NAME, rows), _in_message("probabilities"), _METHOD),
    "MLServer gRPC": Lane(
        lambda rows: _message("classifier", rows, ("predict_proba",)), _in_message("predict_proba"), _METHOD
    ),
    "echo": Lane(lambda rows: _message(MODEL_NAME, rows), None, "/bench.Echo/Echo"),
    "stock": Lane(lambda rows: _json("/predict", {"rows": rows.tolist()}), _at()),
}
