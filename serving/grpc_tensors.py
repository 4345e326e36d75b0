"""ModelInfer: tensors out of a message and into one, raw or typed."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import RequestError
from serving.model import Floats
from serving.one_row import OneRow, Seen, one_raw
from serving.predictor import Predictions
from serving.protos import open_inference_pb2 as pb
from serving.repository import Repository
from serving.schema import MODEL_NAME
from serving.tensors import (
    DATATYPES,
    OUTPUTS,
    Head,
    as_bytes,
    as_list,
    check_heads,
    check_outputs,
    from_raw,
    output_shape,
    to_rows,
)

# the field of InferTensorContents that holds a datatype; FP16 has none
_FIELDS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_ENCODED: dict[str, Callable[[Any], Any]] = {"BYTES": str.encode}


# The outputs asked for by messages that differ in nothing but the row.
_seen: Seen[Sequence[str]] = Seen()


def infer(repository: Repository, message: bytes) -> bytes:
    """Answer a serialized ModelInferRequest by a serialized response: raw inputs get raw outputs, typed ones typed.

    Raises:
        DecodeError: the message is none.
        RequestError: 400 or 404, it is wrong.
    """
    if seen := _seen.read(message):
        names, row = seen
        return _raw_response("", repository.predictor.predict_one(row, "grpc"), names)
    request = pb.ModelInferRequest.FromString(message)
    repository.check(request.model_name, request.model_version)
    heads = [Head(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in request.inputs]
    if not heads:
        raise RequestError(400, "the request has no inputs; expected tensors")
    raw = request.raw_input_contents
    rows: Floats | OneRow | None = None
    if len(raw) == 1 and not request.inputs[0].HasField("contents"):
        rows = one_raw(heads, raw[0])
    one = rows is not None
    if rows is None:
        check_heads(heads)
        rows = to_rows(heads, _arrays(request, heads))
    names = tuple(check_outputs([output.name for output in request.outputs]))
    if one and not request.id and not request.model_version and _ends_with_row(request, message):
        _seen.keep(message, names)
    predictions = repository.predictor.predict(rows, "grpc")
    if raw:
        return _raw_response(request.id, predictions, names)
    return _typed_response(request.id, predictions, names)


def _ends_with_row(request: pb.ModelInferRequest, message: bytes) -> bool:
    """Tell whether a message is in the usual order and has nothing but what is known, so that its row comes last."""
    request.DiscardUnknownFields()
    return request.SerializeToString() == message


def _arrays(request: pb.ModelInferRequest, heads: list[Head]) -> list[NDArray[Any]]:
    raw = request.raw_input_contents
    if not raw:
        return [_typed(head, tensor.contents) for head, tensor in zip(heads, request.inputs, strict=True)]
    if any(tensor.HasField("contents") for tensor in request.inputs):
        raise RequestError(400, "the request has both raw_input_contents and contents; expected one of them")
    if len(raw) != len(heads):
        raise RequestError(400, f"{len(raw)} raw_input_contents came for {len(heads)} inputs")
    return [from_raw(head, content) for head, content in zip(heads, raw, strict=True)]


def _typed(head: Head, contents: pb.InferTensorContents) -> NDArray[Any]:
    if head.datatype not in _FIELDS:
        raise RequestError(400, f"{head.name} is {head.datatype}, which has no contents; expected raw_input_contents")
    field = _FIELDS[head.datatype]
    values = getattr(contents, field)
    if others := [each.name for each, _ in contents.ListFields() if each.name != field]:
        raise RequestError(400, f"{head.name} is {head.datatype} and has {others[0]}; expected {field}")
    if len(values) != head.size:
        raise RequestError(
            400, f"{field} of {head.name} has {len(values)} values; expected {head.size}, as its shape says"
        )
    # As numbers of any size: what the datatype could not hold is far out of every range.
    return np.array(values, dtype=np.float64 if DATATYPES[head.datatype].kind == "f" else None)


@lru_cache
def _described(model: str, outputs: Sequence[str], n: int) -> bytes:
    """Return the part of a response that is the same for all requests with n rows, serialized."""
    response = pb.ModelInferResponse(model_name=MODEL_NAME, model_version=model.partition(":")[2])
    for name in outputs:
        response.outputs.add(name=name, datatype=OUTPUTS[name][0], shape=output_shape(name, n))
    return response.SerializeToString()


def _raw_response(name: str, predictions: Predictions, outputs: Sequence[str]) -> bytes:
    described = _described(predictions.model, outputs, len(predictions))
    rest = pb.ModelInferResponse(id=name, raw_output_contents=[as_bytes(output, predictions) for output in outputs])
    # Messages one after the other are one message with the fields of both.
    return described + rest.SerializeToString()


def _typed_response(name: str, predictions: Predictions, outputs: Sequence[str]) -> bytes:
    response = pb.ModelInferResponse.FromString(_described(predictions.model, outputs, len(predictions)))
    response.id = name
    for tensor, output in zip(response.outputs, outputs, strict=True):
        values = as_list(output, predictions)
        encode = _ENCODED.get(tensor.datatype)
        getattr(tensor.contents, _FIELDS[tensor.datatype]).extend(map(encode, values) if encode else values)
    return response.SerializeToString()
