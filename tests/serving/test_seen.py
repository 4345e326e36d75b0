"""Requests whose heads were seen before are answered as those that are read from the start."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from serving import store
from serving.errors import RequestError
from serving.grpc_tensors import infer
from serving.oip_body import decode
from serving.one_row import ROW_BYTES, Seen
from serving.predictor import Predictor
from serving.protos import open_inference_pb2 as pb
from serving.repository import Repository
from serving.schema import NAMES
from tests.models import plausible_rows

ROWS = plausible_rows(20, seed=3)
WRONG = ROWS[0].copy()
WRONG[:] = 1e9


@pytest.fixture
def predictor(tag: str) -> Predictor:
    return Predictor(store.load(tag))


@pytest.fixture
def repository(predictor: Predictor) -> Repository:
    checks = SimpleNamespace(predictor=predictor, check=lambda model, version: None)
    return cast(Repository, checks)


def message(row: Any, **fields: Any) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name="gender_classifier", raw_input_contents=[row.tobytes()], **fields)
    request.inputs.add(name="input", datatype="FP64", shape=[1, len(NAMES)])
    for name in ("probabilities", "label", "outlier"):
        request.outputs.add(name=name)
    return request


def answer(repository: Repository, sent: bytes) -> pb.ModelInferResponse:
    answered: pb.ModelInferResponse = pb.ModelInferResponse.FromString(infer(repository, sent))
    answered.id = ""
    return answered


def test_grpc_answers_the_same_by_a_head_it_knows(repository: Repository) -> None:
    for row in ROWS:
        # An id is never remembered: this one is always read from the start.
        told = answer(repository, message(row, id="mine").SerializeToString())
        assert answer(repository, message(row).SerializeToString()) == told


def test_a_wrong_row_is_refused_in_the_same_words(repository: Repository) -> None:
    infer(repository, message(ROWS[0]).SerializeToString())
    said = []
    for fields in ({}, {"id": "mine"}):
        with pytest.raises(RequestError) as refused:
            infer(repository, message(WRONG, **fields).SerializeToString())
        said.append(refused.value.message)
    assert said[0] == said[1]
    assert "input[0]." in said[0]


@pytest.mark.parametrize("kind", ["an unknown field that looks like the row", "fields in another order"])
def test_a_message_whose_row_does_not_come_last_is_not_remembered(repository: Repository, kind: str) -> None:
    usual = message(ROWS[0]).SerializeToString()
    if kind == "fields in another order":
        fields = [message(row).SerializeToString() for row in ROWS[:2]]
        odd = [each[-ROW_BYTES - 2 :] + each[: -ROW_BYTES - 2] for each in fields]
    else:
        # Field 100, of bytes: all of a row's field. Whoever read the end of the message would score that row.
        field = [bytes([0xA2, 0x06, ROW_BYTES + 2]) + bytes([0x3A, ROW_BYTES]) + row.tobytes() for row in ROWS[:2]]
        odd = [usual + field[0], usual + field[1]]
        assert answer(repository, odd[0]) == answer(repository, odd[1]) == answer(repository, usual)
        return
    for sent, row in zip(odd, ROWS[:2], strict=True):
        assert answer(repository, sent) == answer(repository, message(row).SerializeToString())


def test_a_version_is_checked_each_time(predictor: Predictor) -> None:
    asked: list[str] = []
    checks = SimpleNamespace(predictor=predictor, check=lambda model, version: asked.append(version))
    for _ in range(3):
        infer(cast(Repository, checks), message(ROWS[0], model_version="one").SerializeToString())
    assert asked == ["one"] * 3


def http(row: Any, name: str = "") -> tuple[list[tuple[bytes, bytes]], bytes]:
    identity = f'"id":"{name}",' if name else ""
    head = (
        f'{{{identity}"inputs":[{{"name":"input","datatype":"FP64","shape":[1,{len(NAMES)}],'
        f'"parameters":{{"binary_data_size":{ROW_BYTES}}}}}],"outputs":[{{"name":"label"}}]}}'
    ).encode()
    return [(b"inference-header-content-length", str(len(head)).encode())], head + row.tobytes()


def test_http_reads_the_same_by_a_head_it_knows() -> None:
    for row in ROWS:
        known, told = decode(*http(row)), decode(*http(row, "mine"))
        assert (known.rows, known.outputs) == (told.rows, told.outputs)
        assert known.rows == tuple(row.tolist())
        assert (known.id, told.id) == ("", "mine")


def test_http_heads_of_another_length_are_read_from_the_start() -> None:
    headers, body = http(ROWS[0])
    decode(headers, body)
    for wrong in (b"1", str(len(body)).encode(), b"x"):
        with pytest.raises(RequestError):
            decode([(headers[0][0], wrong)], body)


def test_few_heads_are_kept() -> None:
    seen: Seen[int] = Seen()
    row = np.ascontiguousarray(ROWS[0]).tobytes()
    for i in range(1000):
        seen.keep(b"%d" % i + row, i)
        assert seen.read(b"%d" % i + row) == (i, tuple(ROWS[0].tolist()))
    assert seen.read(b"0" + row) is None
    seen.keep(b"x" * 5000 + row, 1)
    assert seen.read(b"x" * 5000 + row) is None
    assert seen.read(b"") is None
