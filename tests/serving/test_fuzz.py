"""Bodies and messages that nobody meant: whatever comes, the answer is the protocol's own, and the server lives on.

Hypothesis makes one that lies near the valid, and each of them is sent in `VARIANTS` spoilt forms. FUZZ says how many
to send over each transport; `make fuzz` sends 100,000.
"""

import json
import os
from collections.abc import Iterator
from random import Random
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.protos import open_inference_pb2 as pb
from serving.schema import NAMES
from serving.tensors import DATATYPES, OUTPUTS
from tests.models import plausible_rows
from tests.servers import Server

pytestmark = pytest.mark.slow

VARIANTS = 40
EXAMPLES = int(os.environ.get("FUZZ", "4000")) // VARIANTS
fuzz = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
ROWS = plausible_rows(2, seed=40)
ALLOWED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}

# What lies near a valid request finds more than noise: names, types and shapes that exist, in wrong combinations.
words = st.sampled_from(["input", *NAMES, *OUTPUTS, *DATATYPES, "BYTES", "", "\x00", "x" * 300])
numbers = st.one_of(
    st.sampled_from([0, 1, -1, 2**31, 2**63 - 1, -(2**63)]), st.integers(-3, 20), st.floats(width=64), st.booleans()
)
scalars = st.one_of(st.none(), numbers, words, st.integers(), st.text(max_size=5))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=7) | st.dictionaries(words, inner, max_size=3), max_leaves=15
)
data = st.one_of(
    values, st.just(ROWS.ravel().tolist()), st.just(ROWS.tolist()), st.lists(numbers, min_size=2, max_size=12)
)
shapes = st.one_of(
    st.sampled_from([[2, len(NAMES)], [2], [2, 1]]), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3), values
)
parameters = st.fixed_dictionaries(
    {}, optional={"binary_data_size": values | st.integers(0, 100), "binary_data": values, "classification": values}
)
tensors = st.fixed_dictionaries(
    {"name": words | values, "datatype": st.sampled_from([*DATATYPES, "BYTES"]) | values, "shape": shapes},
    optional={"data": data, "parameters": parameters | values},
)
requests = st.fixed_dictionaries(
    {"inputs": st.lists(tensors, max_size=7) | values},
    optional={
        "id": values,
        "outputs": st.lists(st.fixed_dictionaries({"name": words}, optional={"parameters": parameters}), max_size=4)
        | values,
        "parameters": st.fixed_dictionaries({"binary_data_output": values}) | values,
    },
)
lengths = st.one_of(st.none(), st.integers(-5, 400), st.text("0123456789²x", max_size=4))
bodies = st.one_of(st.binary(max_size=200), requests.map(lambda request: json.dumps(request).encode()))


def spoilt(body: bytes, seed: int) -> Iterator[bytes]:
    """Give the body itself and then forms of it with bytes changed, lost, doubled and put elsewhere."""
    yield body
    random = Random(seed)
    for _ in range(VARIANTS - 1):
        changed = bytearray(body)
        for _ in range(random.randint(1, 3)):
            at, size = random.randint(0, len(changed)), random.randint(1, 8)
            part = changed[at : at + size]
            match random.randrange(4):
                case 0:
                    changed[at : at + size] = random.randbytes(len(part))
                case 1:
                    del changed[at : at + size]
                case 2:
                    changed[at:at] = part * random.randint(1, 3)
                case _:
                    other = random.randint(0, len(changed))
                    changed[other:other] = part
        yield bytes(changed)


@given(body=bodies, tail=st.binary(max_size=100), length=lengths, seed=st.integers(0, 2**32))
@fuzz
def over_http(client: httpx.Client, body: bytes, tail: bytes, length: object, seed: int) -> None:
    given_length = str(len(body) if length == 400 else length).encode()
    headers = {} if length is None else {b"Inference-Header-Content-Length": given_length}
    for content in spoilt(body + tail, seed):
        answer = client.post("/v2/models/gender_classifier/infer", content=content, headers=headers)
        assert answer.status_code in (200, 400), (answer.status_code, answer.text, content)
        if answer.status_code == 400:
            assert set(answer.json()) == {"error", "detail"}


contents = st.builds(
    pb.InferTensorContents,
    fp64_contents=st.just(ROWS.ravel().tolist()) | st.lists(st.floats(), max_size=3),
    int_contents=st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
    uint64_contents=st.lists(st.integers(0, 2**64 - 1), max_size=2),
    bytes_contents=st.lists(st.binary(max_size=3), max_size=1),
)
messages = st.builds(
    pb.ModelInferRequest,
    model_name=st.sampled_from(["gender_classifier", "gender_classifier", "x", ""]),
    model_version=st.sampled_from(["", "", "1"]),
    id=st.text(st.characters(codec="utf-8"), max_size=5),
    inputs=st.lists(
        st.builds(
            pb.ModelInferRequest.InferInputTensor,
            name=words,
            datatype=st.sampled_from([*DATATYPES, "BYTES", ""]),
            shape=st.sampled_from([[2, len(NAMES)], [2], [2, 1]])
            | st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
            contents=st.none() | contents,
        ),
        max_size=7,
    ),
    outputs=st.lists(st.builds(pb.ModelInferRequest.InferRequestedOutputTensor, name=words), max_size=3),
    raw_input_contents=st.lists(st.binary(max_size=20) | st.just(ROWS.tobytes()), max_size=3),
)
wire = st.one_of(st.binary(max_size=200), messages.map(lambda message: message.SerializeToString()))


@given(raw=wire, seed=st.integers(0, 2**32))
@fuzz
def over_grpc(call: Any, raw: bytes, seed: int) -> None:
    for content in spoilt(raw, seed):
        code = grpc.StatusCode.OK
        try:
            call(content, timeout=60)
        except grpc.RpcError as error:
            code = error.code()
        assert code in ALLOWED, (code, content)


def test_bodies(client: httpx.Client) -> None:
    over_http(client)
    tensor = {"name": "input", "datatype": "FP64", "shape": list(ROWS.shape), "data": ROWS.tolist()}
    assert client.post("/v2/models/gender_classifier/infer", json={"inputs": [tensor]}).status_code == 200


def test_messages(server: Server) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        over_grpc(channel.unary_unary("/inference.GRPCInferenceService/ModelInfer"))
    assert server.process.poll() is None
