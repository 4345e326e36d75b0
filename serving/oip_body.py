"""Infer requests and responses of the Open Inference Protocol as HTTP bodies: JSON, with binary tensors after it."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from serving.answers import Answer
from serving.errors import RequestError, short, show
from serving.model import Floats
from serving.one_row import ROW_BYTES, OneRow, Seen, one_list, one_raw
from serving.predictor import Predictions
from serving.schema import MODEL_NAME
from serving.tensors import (
    DATATYPES,
    OUTPUTS,
    Head,
    as_bytes,
    as_list,
    check_heads,
    check_outputs,
    from_list,
    from_raw,
    output_shape,
    to_rows,
)

_JSON_LENGTH = "Inference-Header-Content-Length"
_JSON_LENGTH_RAW = _JSON_LENGTH.lower().encode()
_BINARY = b"application/octet-stream"
# names and values of a request's headers, as ASGI has them
RawHeaders = Sequence[tuple[bytes, bytes]]


class InferRequest(NamedTuple):
    """What a client wants: outputs, each with whether it is binary, for rows float64 [n, d] or the d values of one.

    id: the client's own name for the request.
    """

    id: str
    rows: Floats | OneRow
    outputs: Sequence[tuple[str, bool]]


# What is asked for where no output is named: all of them, with or without binary data.
_ALL_OUTPUTS = {binary: tuple((name, binary) for name in OUTPUTS) for binary in (False, True)}
# The outputs asked for by bodies that differ in nothing but the row.
_seen: Seen[Sequence[tuple[str, bool]]] = Seen()


def decode(headers: RawHeaders, body: bytes) -> InferRequest:
    """Read and check an infer request. Raises RequestError 400."""
    length = next((value for name, value in headers if name == _JSON_LENGTH_RAW), None)
    one_row_last = length is not None and length == b"%d" % (len(body) - ROW_BYTES)
    if one_row_last and (seen := _seen.read(body)):
        return InferRequest("", seen[1], seen[0])
    header, tail = _split(length, body)
    request = read_object(header)
    name = request.get("id", "")
    if not isinstance(name, str):
        raise RequestError(400, f"id is {show(name)}; expected a string")
    inputs = _objects(request, "inputs")
    if not inputs:
        raise RequestError(400, "inputs is missing; expected a list of tensors")
    heads = [_head(item) for item in inputs]
    rows: Floats | OneRow | None = _one_row(heads, inputs[0], tail)
    if rows is None:
        check_heads(heads)
        rows = to_rows(heads, _arrays(heads, inputs, tail))
    outputs = _outputs(request)
    if one_row_last and isinstance(rows, tuple) and not name:
        _seen.keep(body, outputs)
    return InferRequest(name, rows, outputs)


def _outputs(request: dict[str, Any]) -> Sequence[tuple[str, bool]]:
    everything = _parameter(request, "binary_data_output", bool, False)
    if "outputs" not in request:
        return _ALL_OUTPUTS[everything]
    wanted = _objects(request, "outputs")
    binary = {_name(item): _parameter(item, "binary_data", bool, everything) for item in wanted}
    return [(each, binary.get(each, everything)) for each in check_outputs([_name(item) for item in wanted])]


def encode(name: str, predictions: Predictions, outputs: Sequence[tuple[str, bool]]) -> Answer:
    """Answer with the outputs, each as JSON or, if its flag is set, as binary data after the JSON."""
    chunks = [as_bytes(output, predictions) if binary else b"" for output, binary in outputs]
    sizes = tuple(map(len, chunks))
    lists = [to_json(as_list(output, predictions)) for output, binary in outputs if not binary]
    called = b',"id":%b' % to_json(name) if name else b""
    header = _frame(predictions.model, len(predictions), tuple(outputs), sizes) % (called, *lists)
    if len(lists) == len(outputs):
        return Answer(header)
    return Answer(b"".join((header, *chunks)), _BINARY, ((_JSON_LENGTH_RAW, b"%d" % len(header)),))


@lru_cache(256)
def _frame(model: str, n: int, outputs: Sequence[tuple[str, bool]], sizes: Sequence[int]) -> bytes:
    """Return the JSON of answers about n rows, with a `%b` for the id and for the data of each output in it.

    Args:
        sizes: of the outputs' binary data.
    """
    content = [
        {"name": output, "datatype": OUTPUTS[output][0], "shape": output_shape(output, n)}
        | ({"parameters": {"binary_data_size": size}} if binary else {"data": None})
        for (output, binary), size in zip(outputs, sizes, strict=True)
    ]
    document = {"model_name": MODEL_NAME, "model_version": model.partition(":")[2], "id": None, "outputs": content}
    frame = to_json(document).replace(b"%", b"%%")
    return frame.replace(b',"id":null', b"%b").replace(b'"data":null', b'"data":%b')


def read_object(body: bytes | memoryview) -> dict[str, Any]:
    """Read a JSON object. Raises RequestError 400."""
    try:
        content = from_json(bytes(body))
    except ValueError as error:
        raise RequestError(400, f"the body is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise RequestError(400, "the body is not a JSON object; expected one with inputs")
    return content


def _objects(item: dict[str, Any], field: str) -> list[dict[str, Any]]:
    found = item.get(field, [])
    if not isinstance(found, list) or not {dict}.issuperset(map(type, found)):
        raise RequestError(400, f"{field} is {show(found)}; expected a list of objects")
    return found


def _name(item: dict[str, Any]) -> str:
    found = item.get("name")
    if not isinstance(found, str):
        raise RequestError(400, f"the name of a tensor is {show(found)}; expected a string")
    return found


def _head(item: dict[str, Any]) -> Head:
    name, datatype, shape = _name(item), item.get("datatype"), item.get("shape")
    if not isinstance(datatype, str):
        raise RequestError(400, f"datatype of {short(name)} is {show(datatype)}; expected {', '.join(DATATYPES)}")
    if not isinstance(shape, list) or not shape or not all(type(size) is int for size in shape):
        raise RequestError(400, f"shape of {short(name)} is {show(shape)}; expected a list of whole numbers")
    return Head(name, datatype, shape)


def _parameter(item: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    """Return a parameter of a tensor or of the request. Those that nobody here knows are ignored."""
    parameters = item.get("parameters")
    if parameters is None:
        return default
    if not isinstance(parameters, dict):
        raise RequestError(400, f"parameters is {show(parameters)}; expected an object")
    if "shared_memory_region" in parameters or parameters.get("classification"):
        raise RequestError(400, "shared memory and classification are not offered: see extensions in GET /v2")
    found = parameters.get(name, default)
    if type(found) is not kind and found is not default:
        raise RequestError(400, f"{name} is {show(found)}; expected {kind.__name__}")
    return found


def _split(length: bytes | None, body: bytes) -> tuple[bytes | memoryview, memoryview]:
    """Return the JSON of a body, which is so long or all of it, and the binary data after it."""
    view = memoryview(body)
    if length is None:
        return body, view[:0]
    # Python does not convert thousands of digits, and nobody has a body of so many bytes.
    if not length.isdigit() or len(length) > 18 or int(length) > len(body):
        came = short(length.decode("latin-1"))
        raise RequestError(400, f"{_JSON_LENGTH} is {came}; expected a number up to the body's {len(body)} bytes")
    return view[: int(length)], view[int(length) :]


def _one_row(heads: Sequence[Head], item: dict[str, Any], tail: memoryview) -> OneRow | None:
    if "parameters" not in item:
        return None if tail else one_list(heads, item.get("data"))
    if "data" not in item and item["parameters"] == {"binary_data_size": len(tail)}:
        return one_raw(heads, tail)
    return None


def _arrays(heads: Sequence[Head], inputs: Sequence[dict[str, Any]], tail: memoryview) -> list[Any]:
    arrays = []
    for head, item in zip(heads, inputs, strict=True):
        size = _parameter(item, "binary_data_size", int, None)
        if size is None:
            arrays.append(from_list(head, item.get("data")))
            continue
        if "data" in item:
            raise RequestError(400, f"{head.name} has both data and binary_data_size; expected one of them")
        if not 0 <= size <= len(tail):
            raise RequestError(
                400, f"binary_data_size of {head.name} is {size}, and {len(tail)} bytes are left of the body"
            )
        arrays.append(from_raw(head, tail[:size]))
        tail = tail[size:]
    if tail:
        raise RequestError(400, f"the body has {len(tail)} bytes more than its tensors")
    return arrays
