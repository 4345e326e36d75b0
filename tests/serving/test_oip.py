"""The Open Inference Protocol over HTTP and gRPC, against the running service with two workers."""

import json
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
from grpc_health.v1 import health_pb2
from sklearn.naive_bayes import GaussianNB

from serving.protos import open_inference_pb2 as pb
from serving.schema import CLASSES, FEATURES, NAMES, Flag
from serving.tensors import OUTPUTS
from tests.models import plausible_rows
from tests.servers import Server, grpc_health

pytestmark = pytest.mark.slow

MODEL = "/v2/models/gender_classifier"
WIDTH = len(NAMES)
NUMBER = next(feature for feature in FEATURES if not isinstance(feature, Flag))
ROW = plausible_rows(1, seed=9)[0].tolist()
JSON_LENGTH = "Inference-Header-Content-Length"


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "input", "datatype": "FP64", "shape": [1, WIDTH], "data": ROW} | changes


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.grpc) as channel:
        yield channel


def call(channel: grpc.Channel, method: str, request: Any, **options: Any) -> Any:
    """Call a method of the service; `request` is a message, or bytes sent as they are."""
    output = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name[method].output_type.name
    serialize = None if isinstance(request, bytes) else type(request).SerializeToString
    stub = channel.unary_unary(f"/inference.GRPCInferenceService/{method}", serialize, getattr(pb, output).FromString)
    return stub(request, **{"timeout": 20, **options})


def test_the_server_and_its_model_describe_themselves(client: httpx.Client, channel: grpc.Channel, tag: str) -> None:
    version = tag.partition(":")[2]
    server = client.get("/v2").json()
    model = client.get(MODEL).json()
    assert server["name"] == model["name"] == "gender_classifier"
    assert set(server["extensions"]) == {"binary_tensor_data", "model_repository"}
    assert model["versions"] == [version]
    assert model["inputs"] == [{"name": "input", "datatype": "FP64", "shape": [-1, WIDTH]}]
    assert {each["name"]: (each["datatype"], tuple(each["shape"])) for each in model["outputs"]} == OUTPUTS
    assert client.get(f"{MODEL}/versions/{version}").json() == model
    answered = call(channel, "ModelMetadata", pb.ModelMetadataRequest(name="gender_classifier"))
    assert answered == pb.ModelMetadataResponse(**model)
    assert call(channel, "ServerMetadata", pb.ServerMetadataRequest()) == pb.ServerMetadataResponse(**server)


def test_live_and_ready(client: httpx.Client, channel: grpc.Channel, tag: str) -> None:
    for path in (
        "/v2/health/live",
        "/v2/health/ready",
        f"{MODEL}/ready",
        f"{MODEL}/versions/{tag.split(':')[1]}/ready",
    ):
        assert client.get(path).status_code == client.head(path).status_code == 200, path
    assert call(channel, "ServerLive", pb.ServerLiveRequest()).live
    assert call(channel, "ServerReady", pb.ServerReadyRequest()).ready
    assert call(channel, "ModelReady", pb.ModelReadyRequest(name="gender_classifier", version=tag.split(":")[1])).ready
    for service in ("", "inference.GRPCInferenceService"):
        assert grpc_health(channel, service) == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("binary_in", [False, True])
@pytest.mark.parametrize("binary_out", [False, True])
def test_infer_over_http(
    client: httpx.Client, tag: str, estimator: GaussianNB, binary_in: bool, binary_out: bool
) -> None:
    rows = plausible_rows(50, seed=10)
    expected = estimator.predict_proba(rows)
    given = tensor(shape=[50, WIDTH], data=rows.ravel().tolist())
    raw = b""
    if binary_in:
        raw = rows.tobytes()
        del given["data"]
        given["parameters"] = {"binary_data_size": len(raw)}
    request: dict[str, Any] = {"id": "mine", "inputs": [given], "parameters": {"binary_data_output": binary_out}}
    head = json.dumps(request).encode()
    answer = client.post(f"{MODEL}/infer", content=head + raw, headers={JSON_LENGTH: str(len(head))} if raw else {})
    assert answer.status_code == 200, answer.text
    length = int(answer.headers.get(JSON_LENGTH, len(answer.content)))
    content, tail = json.loads(answer.content[:length]), answer.content[length:]
    assert (content["model_name"], content["model_version"], content["id"]) == (*tag.split(":"), "mine")
    assert [output["name"] for output in content["outputs"]] == list(OUTPUTS)
    read: dict[str, Any] = {}
    for output in content["outputs"]:
        if binary_out:
            size = output["parameters"]["binary_data_size"]
            part, tail = tail[:size], tail[size:]
            read[output["name"]] = unpack(output["datatype"], part)
        else:
            read[output["name"]] = output["data"]
    assert not tail
    assert np.abs(np.reshape(read["probabilities"], (50, len(CLASSES))) - expected).max() < 1e-12
    assert list(read["label"]) == estimator.predict(rows).tolist()
    assert len(set(read["prediction_id"])) == 50
    assert len(read["outlier"]) == 50


def unpack(datatype: str, raw: bytes) -> Any:
    """Read an output as a client of the binary extension does."""
    if datatype == "FP64":
        return np.frombuffer(raw, "<f8")
    if datatype == "BOOL":
        return np.frombuffer(raw, "?")
    strings = []
    while raw:
        size = int.from_bytes(raw[:4], "little")
        strings.append(raw[4 : 4 + size].decode())
        raw = raw[4 + size :]
    return strings


def message(**changes: Any) -> pb.ModelInferRequest:
    """Return a request for one row, typed unless `raw_input_contents` are given."""
    given: dict[str, Any] = {"name": "input", "datatype": "FP64", "shape": [1, WIDTH]}
    if "raw_input_contents" not in changes:
        given["contents"] = {"fp64_contents": ROW}
    return pb.ModelInferRequest(**{"model_name": "gender_classifier", "inputs": [given]} | changes)


def test_infer_over_grpc(channel: grpc.Channel, tag: str, estimator: GaussianNB) -> None:
    raw = call(channel, "ModelInfer", message(id="mine", raw_input_contents=[np.array(ROW).tobytes()]))
    typed = call(channel, "ModelInfer", message(outputs=[{"name": "probabilities"}, {"name": "label"}]))
    expected = estimator.predict_proba([ROW])[0]
    assert (raw.model_name, raw.model_version, raw.id) == (*tag.split(":"), "mine")
    by_name = {o.name: unpack(o.datatype, r) for o, r in zip(raw.outputs, raw.raw_output_contents, strict=True)}
    assert list(by_name) == list(OUTPUTS)
    assert np.abs(by_name["probabilities"] - expected).max() < 1e-12
    assert [output.name for output in typed.outputs] == ["probabilities", "label"]
    assert not typed.raw_output_contents
    assert np.abs(np.array(typed.outputs[0].contents.fp64_contents) - expected).max() < 1e-12
    assert list(typed.outputs[1].contents.bytes_contents) == [CLASSES[expected.argmax()].encode()]


def test_a_tensor_for_each_feature(client: httpx.Client, channel: grpc.Channel, estimator: GaussianNB) -> None:
    inputs = [
        {"name": name, "shape": [1, 1], "datatype": "INT32", "data": [int(value)]}
        if isinstance(feature, Flag)
        else {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
        for feature, name, value in zip(FEATURES, NAMES, ROW, strict=True)
    ]
    request = {"inputs": inputs, "outputs": [{"name": "probabilities"}]}
    [output] = client.post(f"{MODEL}/infer", json=request).json()["outputs"]
    expected = estimator.predict_proba([ROW])[0]
    assert output["shape"] == [1, len(CLASSES)]
    assert np.abs(np.array(output["data"]) - expected).max() < 1e-12
    field = {"INT32": "int_contents", "FP64": "fp64_contents"}
    typed = [
        {
            **{k: each[k] for k in ("name", "shape", "datatype")},
            "contents": {field[str(each["datatype"])]: each["data"]},
        }
        for each in inputs
    ]
    answer = call(channel, "ModelInfer", message(inputs=typed, outputs=[{"name": "probabilities"}]))
    assert np.abs(np.array(answer.outputs[0].contents.fp64_contents) - expected).max() < 1e-12


HTTP_ERRORS: dict[str, tuple[bytes | dict[str, Any], dict[str, str], str]] = {
    "no JSON": (b"{", {}, "the body is not JSON"),
    "no object": (b"[]", {}, "not a JSON object"),
    "no inputs": ({}, {}, "inputs is missing"),
    "inputs of another kind": ({"inputs": [1]}, {}, "expected a list of objects"),
    "id": ({"id": 1, "inputs": [tensor()]}, {}, "id is 1; expected a string"),
    "no name": ({"inputs": [tensor(name=None)]}, {}, "the name of a tensor is None"),
    "unknown name": ({"inputs": [tensor(name="x")]}, {}, "there is no input x"),
    "twice": ({"inputs": [tensor(), tensor()]}, {}, "input came with other inputs"),
    "missing": ({"inputs": [tensor(name=NAMES[0], shape=[1], data=[1])]}, {}, "missing inputs: "),
    "datatype": ({"inputs": [tensor(datatype="FP65")]}, {}, "has datatype FP65; expected FP64, FP32"),
    "datatype of another kind": ({"inputs": [tensor(datatype=None)]}, {}, "datatype of input is None"),
    "shape": ({"inputs": [tensor(shape=[1, WIDTH - 1])]}, {}, "has shape [1,"),
    "shape of another kind": ({"inputs": [tensor(shape=[1.0, WIDTH])]}, {}, "expected a list of whole numbers"),
    "too few data": ({"inputs": [tensor(data=ROW[1:])]}, {}, f"has {WIDTH - 1} values; expected {WIDTH}"),
    "text": ({"inputs": [tensor(data=["1", *ROW[1:]])]}, {}, "holds '1'; expected FP64 values"),
    "implausible": ({"inputs": [tensor(data=[ROW[0], 99.0, *ROW[2:]])]}, {}, "expected"),
    "huge": ({"inputs": [tensor(data=[10**4000, *ROW[1:]])]}, {}, "FP64 cannot"),
    "unknown output": ({"inputs": [tensor()], "outputs": [{"name": "x"}]}, {}, "there is no output x"),
    "output twice": ({"inputs": [tensor()], "outputs": [{"name": "label"}] * 2}, {}, "requested twice"),
    "parameters": ({"inputs": [tensor(parameters=1)]}, {}, "parameters is 1; expected an object"),
    "binary size of another kind": ({"inputs": [tensor(parameters={"binary_data_size": "1"})]}, {}, "expected int"),
    "data and binary": ({"inputs": [tensor(parameters={"binary_data_size": 48})]}, {}, "has both data and"),
    "shared memory": (
        {"inputs": [tensor(parameters={"shared_memory_region": "x"})]},
        {},
        "shared memory and classification are not offered",
    ),
    "length beyond the body": ({"inputs": [tensor()]}, {JSON_LENGTH: "100000"}, "expected a number up to the body's"),
    "length of thousands of digits": (
        {"inputs": [tensor()]},
        {JSON_LENGTH: "9" * 5000},
        "expected a number up to the body's",
    ),
    "length of another kind": ({"inputs": [tensor()]}, {JSON_LENGTH: "-1"}, "expected a number up to the body's"),
    "bytes left over": (json.dumps({"inputs": [tensor()]}).encode() + b"x", {JSON_LENGTH: "=-1"}, "1 bytes more than"),
    "encoding": ({"inputs": [tensor()]}, {"Content-Encoding": "gzip"}, "the content encoding is gzip"),
}


@pytest.mark.parametrize("case", HTTP_ERRORS)
def test_a_wrong_body_is_told_what_is_wrong(client: httpx.Client, case: str) -> None:
    body, headers, sentence = HTTP_ERRORS[case]
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {name: value if value != "=-1" else str(len(content) - 1) for name, value in headers.items()}
    answer = client.post(f"{MODEL}/infer", content=content, headers=sent)
    assert answer.status_code == (415 if case == "encoding" else 400)
    assert sentence in answer.json()["error"]
    assert isinstance(answer.json()["detail"], list)


@pytest.mark.parametrize("cut", [1, 8, 47])
def test_a_truncated_binary_body(client: httpx.Client, cut: int) -> None:
    given = tensor(parameters={"binary_data_size": 8 * WIDTH})
    del given["data"]
    head = json.dumps({"inputs": [given]}).encode()
    answer = client.post(
        f"{MODEL}/infer", content=head + np.array(ROW).tobytes()[:-cut], headers={JSON_LENGTH: str(len(head))}
    )
    assert answer.status_code == 400
    assert f"binary_data_size of input is {8 * WIDTH}, and {8 * WIDTH - cut} bytes are left" in answer.json()["error"]


GRPC_ERRORS: dict[str, tuple[dict[str, Any], str]] = {
    "no inputs": ({"inputs": []}, "has no inputs"),
    "unknown name": ({"inputs": [{"name": "x", "datatype": "FP64", "shape": [1]}]}, "there is no input x"),
    "twice": ({"inputs": [{"name": "input"}] * 2}, "input came with other inputs"),
    "shape": ({"inputs": [{"name": "input", "datatype": "FP64", "shape": [WIDTH]}]}, "has shape"),
    "huge shape": ({"inputs": [{"name": "input", "datatype": "FP64", "shape": [2**62, WIDTH]}]}, "with n from 1 to"),
    "datatype": ({"inputs": [{"name": "input", "datatype": "BYTES", "shape": [1, WIDTH]}]}, "has datatype BYTES"),
    "no contents": ({"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, WIDTH]}]}, "has 0 values"),
    "another field": (
        {"inputs": [{"name": "input", "datatype": "FP64", "shape": [1, WIDTH], "contents": {"fp32_contents": ROW}}]},
        "is FP64 and has fp32_contents; expected fp64_contents",
    ),
    "raw length": ({"raw_input_contents": [b"1234567"]}, "has 7 bytes; expected"),
    "raw count": ({"raw_input_contents": [b"", b""]}, "2 raw_input_contents came for 1 inputs"),
    "both": (
        {
            "raw_input_contents": [np.array(ROW).tobytes()],
            "inputs": [{"name": "input", "datatype": "FP64", "shape": [1, WIDTH], "contents": {"fp64_contents": ROW}}],
        },
        "both raw_input_contents and contents",
    ),
    "unknown output": ({"outputs": [{"name": "x"}]}, "there is no output x"),
    "FP16 typed": (
        {"inputs": [{"name": name, "datatype": "FP16", "shape": [1]} for name in NAMES]},
        "has no contents; expected raw_input_contents",
    ),
}


@pytest.mark.parametrize("case", GRPC_ERRORS)
def test_a_wrong_message_is_told_what_is_wrong(channel: grpc.Channel, case: str) -> None:
    changes, sentence = GRPC_ERRORS[case]
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "ModelInfer", message(**changes))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert sentence in (caught.value.details() or "")


def test_bytes_that_are_no_message(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "ModelInfer", b"\xff\xff\xff")
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details() == "the message is not a ModelInfer request"


def test_a_message_that_is_too_large(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "ModelInfer", message(raw_input_contents=[bytes(1_100_000)]))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_unknown_models_versions_and_paths(client: httpx.Client, channel: grpc.Channel) -> None:
    for path in ("/v2/models/x", "/v2/models/x/ready", f"{MODEL}/versions/x", f"{MODEL}/versions/x/ready"):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert "x" in answer.json()["error"]
    body = {"inputs": [tensor()]}
    for path in ("/v2/models/x/infer", f"{MODEL}/versions/x/infer", "/v2/repository/models/x/load", "/v2/x/infer"):
        assert client.post(path, json=body).status_code == 404, path
    for path in ("/v2/", "/v2/x", "/v2/models", f"{MODEL}/config", f"{MODEL}/versions"):
        assert client.get(path).status_code == 404, path
    refused = client.get(f"{MODEL}/infer")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    for request in (message(model_name="x"), message(model_version="x")):
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, "ModelInfer", request)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_the_repository(client: httpx.Client, channel: grpc.Channel, tag: str) -> None:
    for body in (None, {}, {"ready": True}):
        [*_, entry] = client.post("/v2/repository/index", json=body).json()
        assert entry["name"] == "gender_classifier"
    served = {"name": "gender_classifier", "version": tag.split(":")[1], "state": "READY", "reason": ""}
    assert client.post("/v2/repository/index", json={"ready": True}).json() == [served]
    [entry] = call(channel, "RepositoryIndex", pb.RepositoryIndexRequest(ready=True)).models
    assert entry == pb.RepositoryIndexResponse.ModelIndex(**served)
    refused = client.post("/v2/repository/models/gender_classifier/unload")
    assert refused.status_code == 400
    assert refused.json()["error"] == "gender_classifier is the only model and cannot be unloaded"
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name="gender_classifier"))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    refused = client.post("/v2/repository/models/gender_classifier/load", json={"parameters": {"config": "{}"}})
    assert refused.status_code == 400
    assert client.post("/v2/repository/index", json={"ready": 1}).status_code == 400


def test_a_passed_deadline_is_honoured(channel: grpc.Channel) -> None:
    # gRPC rounds a deadline up to a millisecond, which one row does not take.
    many = [{"name": "input", "datatype": "FP64", "shape": [10_000, WIDTH]}]
    request = message(inputs=many, raw_input_contents=[np.array(ROW * 10_000).tobytes()])
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, "ModelInfer", request, timeout=1e-9)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
