"""Between Arrow and numpy without copying, and without pandas.

`pa.array` and `to_numpy` import pandas where it is installed, which takes a second and 75 MB.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray


def from_numpy(values: NDArray[Any]) -> pa.Array:
    """Return the Arrow array of n booleans, integers or floats."""
    if values.dtype == np.bool_:
        bits = np.packbits(values, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(bits)])
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def to_numpy(array: pa.Array) -> NDArray[Any]:
    """Return the n integers or floats of an Arrow array; with nulls, which are NaN, as float64."""
    if array.null_count:
        array = pc.fill_null(array.cast(pa.float64(), safe=False), float("nan"))
    values: NDArray[Any] = np.from_dlpack(array)
    return values


def from_texts(texts: Sequence[str]) -> pa.Array:
    """Return the Arrow array of n texts."""
    encoded = [text.encode() for text in texts]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)))
