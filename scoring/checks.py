"""The schema's rules over whole columns, and the sentences of the service about the values they refuse."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from scoring.arrays import from_numpy, to_numpy
from serving.model import Floats
from serving.schema import FEATURES, Feature, Flag

# Stricter than float(): no spaces, "inf", "nan", "1_000", decimal comma or digits of other scripts.
_NUMBER = r"\A[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\z"


class Checked(NamedTuple):
    """n rows by columns.

    values: float64 [d, n], NaN where there is no number.  good: bool [d, n].  sound: bool [n], good in every column.
    """

    values: Floats
    good: NDArray[np.bool_]
    sound: NDArray[np.bool_]


def takes(kind: pa.DataType) -> bool:
    """Tell whether a column of this type can hold the values of a feature. As in the service, text and booleans can't.

    The text of a CSV comes dictionary-encoded and is no column type of a file.
    """
    number = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return bool(number or pa.types.is_null(kind))


def check(columns: list[pa.Array]) -> Checked:
    """Read the features' columns, in the schema's order, and apply each feature's rule to its own."""
    n = len(columns[0])
    values = np.empty((len(FEATURES), n))
    good = np.empty((len(FEATURES), n), bool)
    for j, (feature, column) in enumerate(zip(FEATURES, columns, strict=True)):
        values[j] = _numbers(column)
        _plausible(feature, values[j], good[j])
    return Checked(values, good, np.logical_and.reduce(good, axis=0))


def reasons(columns: list[pa.Array], good: NDArray[np.bool_], rows: NDArray[np.intp]) -> list[str]:
    """Say what is wrong with each of these rows: every value that is not good, in the schema's order.

    Args:
        good: bool [d, n], as `check` returns it.
        rows: int [m], rows in which not every value is good.
    """
    # Needed for bad rows only, and slow to import.
    from serving.errors import MISSING, refusal

    found: list[list[str]] = [[] for _ in rows]
    for feature, column, fine in zip(FEATURES, columns, good[:, rows], strict=True):
        bad = np.flatnonzero(~fine)
        is_text = pa.types.is_dictionary(column.type)
        for place, value in zip(bad.tolist(), column.take(from_numpy(rows[bad])).to_pylist(), strict=True):
            shown = MISSING if is_text and not value else value
            found[place].append(refusal(feature.name, shown, feature.expected))
    return [" | ".join(sentences) for sentences in found]


def _plausible(feature: Feature, values: Floats, out: NDArray[np.bool_]) -> None:
    # NaN fails every comparison, and infinities are out of every range.
    if isinstance(feature, Flag):
        np.logical_or(values == feature.low, values == feature.high, out=out)
    else:
        np.logical_and(values >= feature.low, values <= feature.high, out=out)


def _numbers(column: pa.Array) -> Floats:
    if pa.types.is_dictionary(column.type):
        texts = _texts(column.dictionary)
        return texts[to_numpy(column.indices)] if len(texts) else np.empty(0)
    if pa.types.is_decimal(column.type) or pa.types.is_null(column.type):
        column = column.cast(pa.float64())
    return to_numpy(column)


def _texts(distinct: pa.Array) -> Floats:
    """Read numbers from text; NaN where it is none. Measurements repeat, so a block has few distinct texts."""
    is_number = pc.match_substring_regex(distinct, _NUMBER).to_pylist()
    texts = distinct.to_pylist()
    return np.array([float(text) if fine else np.nan for text, fine in zip(texts, is_number, strict=True)])
