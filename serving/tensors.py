"""Tensors of the Open Inference Protocol, whatever carries them: from inputs to rows, from predictions to outputs.

https://github.com/kserve/open-inference-protocol
"""

from collections.abc import Callable, Collection, Sequence
from itertools import chain
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.errors import RequestError, short, show
from serving.model import Floats, Score
from serving.predictor import Predictions
from serving.rows import check
from serving.schema import CLASSES, MAX_ROWS, NAMES

INPUT = "input"
DATATYPES = {
    "BOOL": np.dtype("?"),
    **{
        f"{kind}{size}": np.dtype(f"<{code}{size // 8}")
        for kind, code in (("UINT", "u"), ("INT", "i"))
        for size in (8, 16, 32, 64)
    },
    **{f"FP{size}": np.dtype(f"<f{size // 8}") for size in (16, 32, 64)},
}
# name: (datatype, shape), -1 is the number of rows
OUTPUTS = {
    "label": ("BYTES", (-1,)),
    "probabilities": ("FP64", (-1, len(CLASSES))),
    "outlier": ("BOOL", (-1,)),
    "prediction_id": ("BYTES", (-1,)),
}
# what JSON may hold for a kind of datatype; a whole number if it is not here
_JSON_TYPES: dict[str, frozenset[type]] = {"b": frozenset({bool}), "f": frozenset({int, float})}
_WHOLE = ("FP64", "FP32")
_ENCODED_CLASSES = [len(name.encode()).to_bytes(4, "little") + name.encode() for name in CLASSES]


class Head(NamedTuple):
    """What an input says of itself before its data are looked at."""

    name: str
    datatype: str
    shape: Sequence[int]

    @property
    def size(self) -> int:
        """How many values there must be; `check_heads` has seen to it that they are few."""
        return self.shape[0] * (self.shape[1] if len(self.shape) > 1 else 1)


_ONE_PROBABILITIES = Struct(f"<{len(CLASSES)}d")


def check_heads(heads: Sequence[Head]) -> None:
    """See to it that the inputs make rows. Raises RequestError 400."""
    names = [head.name for head in heads]
    if INPUT in names and INPUT not in NAMES:
        if len(names) > 1:
            raise RequestError(400, f"{INPUT} came with other inputs; expected it alone, or {', '.join(NAMES)}")
        _check_head(
            heads[0], _WHOLE, f"[n, {len(NAMES)}]", len(heads[0].shape) == 2 and heads[0].shape[1] == len(NAMES)
        )
        return
    for name in names:
        if name not in NAMES:
            raise RequestError(400, f"there is no input {short(name)}; expected {INPUT}, or {', '.join(NAMES)}")
    if missing := [name for name in NAMES if name not in names]:
        raise RequestError(400, f"missing inputs: {', '.join(missing)}; expected {INPUT} alone, or {', '.join(NAMES)}")
    if len(names) != len(NAMES):
        twice = next(name for name in NAMES if names.count(name) > 1)
        raise RequestError(400, f"the input {twice} came {names.count(twice)} times; expected it once")
    for head in heads:
        _check_head(head, DATATYPES, "[n] or [n, 1]", len(head.shape) == 1 or list(head.shape[1:]) == [1])
    if len({head.shape[0] for head in heads}) > 1:
        lengths = ", ".join(f"{head.name} {head.shape[0]}" for head in heads)
        raise RequestError(400, f"the inputs have different numbers of rows: {lengths}")


def _check_head(head: Head, datatypes: Collection[str], shape: str, fits: bool) -> None:
    if head.datatype not in datatypes:
        raise RequestError(400, f"{head.name} has datatype {short(head.datatype)}; expected {', '.join(datatypes)}")
    if not fits or not 1 <= head.shape[0] <= MAX_ROWS:
        came = short(str(list(head.shape)))
        raise RequestError(400, f"{head.name} has shape {came}; expected {shape} with n from 1 to {MAX_ROWS}")


def from_raw(head: Head, raw: bytes | memoryview) -> NDArray[Any]:
    """Read little-endian values. Raises RequestError 400 if they are more or fewer than the shape says."""
    dtype = DATATYPES[head.datatype]
    if len(raw) != head.size * dtype.itemsize:
        raise RequestError(
            400,
            f"{head.name} has {len(raw)} bytes; expected {head.size * dtype.itemsize}, as many as {head.datatype}"
            f" {list(head.shape)} has",
        )
    if head.datatype == "BOOL":
        # Another byte than 0 or 1 is no boolean, and numpy would take it for one.
        return np.frombuffer(raw, np.uint8)
    return np.frombuffer(raw, dtype)


def from_list(head: Head, data: Any) -> NDArray[Any]:
    """Read numbers out of JSON, flat or nested as the shape says. Raises RequestError 400."""
    if not isinstance(data, list):
        raise RequestError(400, f"data of {head.name} is {show(data)}; expected a list")
    if data and isinstance(data[0], list):
        if len(head.shape) == 1 or set(map(type, data)) != {list} or {*map(len, data)} != {head.shape[1]}:
            raise RequestError(400, f"data of {head.name} is nested otherwise than its shape {list(head.shape)}")
        data = list(chain.from_iterable(data))
    if len(data) != head.size:
        raise RequestError(
            400,
            f"data of {head.name} has {len(data)} values; expected {head.size}, as its shape {list(head.shape)} says",
        )
    dtype = DATATYPES[head.datatype]
    allowed = _JSON_TYPES.get(dtype.kind, frozenset({int}))
    if not allowed.issuperset(map(type, data)):
        wrong = next(value for value in data if type(value) not in allowed)
        raise RequestError(400, f"data of {head.name} holds {show(wrong)}; expected {head.datatype} values")
    try:
        with np.errstate(over="ignore"):
            return np.array(data, dtype=dtype)
    except OverflowError:
        raise RequestError(400, f"data of {head.name} holds a value that {head.datatype} cannot") from None


def to_rows(heads: Sequence[Head], arrays: Sequence[NDArray[Any]]) -> Floats:
    """Put checked inputs together to validated rows, float64 [n, d]. Raises RowsError."""
    if len(heads) == 1 and heads[0].name == INPUT:
        # Column after column in memory: checks, scores and metrics all go through one feature after the other.
        rows = np.asfortranarray(arrays[0].reshape(-1, len(NAMES)), dtype=np.float64)
        check(rows, lambda i, name: f"{INPUT}[{i}].{name}")
        return rows
    by_name = {head.name: array for head, array in zip(heads, arrays, strict=True)}
    rows = np.empty((heads[0].shape[0], len(NAMES)), order="F")
    for j, name in enumerate(NAMES):
        rows[:, j] = by_name[name]
    check(rows, lambda i, name: f"{name}[{i}]")
    return rows


def check_outputs(names: Sequence[str]) -> Sequence[str]:
    """Return the outputs to compute, all of them if none is named. Raises RequestError 400."""
    for name in names:
        if name not in OUTPUTS:
            raise RequestError(400, f"there is no output {short(name)}; expected {', '.join(OUTPUTS)}")
    if len(set(names)) != len(names):
        raise RequestError(400, "an output is requested twice; expected each once")
    return names or tuple(OUTPUTS)


# How each output is read off: as a list for JSON and typed contents, and as raw bytes.
_LISTS: dict[str, Callable[[Predictions], list[Any]]] = {
    "label": lambda p: p.labels,
    "probabilities": lambda p: list(chain.from_iterable(p.lists.probabilities)),
    "outlier": lambda p: p.lists.outliers,
    "prediction_id": lambda p: p.ids,
}


def _label_bytes(predictions: Predictions) -> bytes:
    scores = predictions.scores
    if isinstance(scores, Score):
        return _ENCODED_CLASSES[scores.label]
    return b"".join(map(_ENCODED_CLASSES.__getitem__, scores.label.tolist()))


def _probability_bytes(predictions: Predictions) -> bytes:
    scores = predictions.scores
    if isinstance(scores, Score):
        return _ONE_PROBABILITIES.pack(*scores.probabilities)
    return scores.probabilities.astype("<f8", copy=False).tobytes()


def _outlier_bytes(predictions: Predictions) -> bytes:
    outlier = predictions.scores.outlier
    return bytes([outlier]) if isinstance(outlier, bool) else outlier.tobytes()


def _id_bytes(predictions: Predictions) -> bytes:
    ids = predictions.ids
    # They are all as long as the first.
    size = len(ids[0])
    if len(ids) == 1:
        return size.to_bytes(4, "little") + ids[0].encode()
    encoded = np.empty((len(ids), 4 + size), np.uint8)
    encoded[:, :4] = np.frombuffer(size.to_bytes(4, "little"), np.uint8)
    encoded[:, 4:] = np.frombuffer("".join(ids).encode(), np.uint8).reshape(-1, size)
    return encoded.tobytes()


_BYTES: dict[str, Callable[[Predictions], bytes]] = {
    "label": _label_bytes,
    "probabilities": _probability_bytes,
    "outlier": _outlier_bytes,
    "prediction_id": _id_bytes,
}


def as_list(name: str, predictions: Predictions) -> list[Any]:
    """Return an output's values in row-major order."""
    return _LISTS[name](predictions)


def as_bytes(name: str, predictions: Predictions) -> bytes:
    """Return an output's values little-endian, strings after their length in four bytes."""
    return _BYTES[name](predictions)


def output_shape(name: str, n: int) -> list[int]:
    return [n, *OUTPUTS[name][1][1:]]
