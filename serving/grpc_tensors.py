"""ModelInfer: tensors out of a message and into one, raw or typed."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import RequestError
from serving.model import Floats
from serving.predictor import Predictions, Predictor
from serving.protos import open_inference_pb2 as pb
from serving.schema import MODEL_NAME
from serving.tensors import (
    DATATYPES,
    OUTPUTS,
    Head,
    OneRow,
    as_bytes,
    as_list,
    check_heads,
    check_outputs,
    from_raw,
    one_raw,
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


def infer(predictor: Predictor, request: pb.ModelInferRequest) -> bytes:
    """Answer a request: raw inputs get raw outputs, typed ones typed. Raises RequestError 400.

    Returns:
        A ModelInferResponse, serialized.
    """
    heads = [Head(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in request.inputs]
    if not heads:
        raise RequestError(400, "the request has no inputs; expected tensors")
    raw = request.raw_input_contents
    rows: Floats | OneRow | None = None
    if len(raw) == 1 and not request.inputs[0].HasField("contents"):
        rows = one_raw(heads, raw[0])
    if rows is None:
        check_heads(heads)
        rows = to_rows(heads, _arrays(request, heads))
    names = check_outputs([output.name for output in request.outputs])
    predictions = predictor.predict(rows, "grpc")
    described = _described(predictions.model, tuple(names), len(predictions))
    if raw:
        rest = pb.ModelInferResponse(id=request.id, raw_output_contents=[as_bytes(name, predictions) for name in names])
        # Messages one after the other are one message with the fields of both.
        return described + rest.SerializeToString()
    return _typed_response(described, request.id, predictions, names).SerializeToString()


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


def _typed_response(
    described: bytes, name: str, predictions: Predictions, outputs: Sequence[str]
) -> pb.ModelInferResponse:
    response = pb.ModelInferResponse.FromString(described)
    response.id = name
    for tensor, output in zip(response.outputs, outputs, strict=True):
        values = as_list(output, predictions)
        encode = _ENCODED.get(tensor.datatype)
        getattr(tensor.contents, _FIELDS[tensor.datatype]).extend(map(encode, values) if encode else values)
    return response
