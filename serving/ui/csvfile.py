"""Rows as lines of a CSV file: a piece of the file in, values and reasons for refusals out."""

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from pydantic import ValidationError

from serving.errors import implausible
from serving.model import Floats
from serving.schema import FEATURES, NAMES, Flag, Row

_LOW = np.array([feature.low for feature in FEATURES])
_HIGH = np.array([feature.high for feature in FEATURES])
_FLAG = np.array([isinstance(feature, Flag) for feature in FEATURES])


class HeaderError(Exception):
    """The first line of the file cannot be used. The message is one sentence in the language of the page."""


class Piece(NamedTuple):
    """What a piece of a file holds.

    values: float64 [n, d], the good rows.  lines: the number of each in the file, the header is 1.
    rejected: (line, reason), in the order of the lines.  implausible: features refused as out of range.
    """

    values: Floats
    lines: list[int]
    rejected: list[tuple[int, str]]
    implausible: list[str]


def read(text: str, first: int, texts: Mapping[str, str]) -> Piece:
    """Check a piece of a file.

    Args:
        text: the header, then lines; every line is a row. Separated by commas, or by semicolons as where the comma is
            the decimal mark.
        first: number in the file of the line below the header.
        texts: of the page's language.

    Raises:
        HeaderError: a column is missing or there twice.
    """
    header, *lines = text.removeprefix("\ufeff").split("\n")
    comma = ";" not in header
    names = _cells(header, comma)
    columns = _columns([name.strip() for name in names], texts)
    rejected: list[tuple[int, str]] = []
    numbers: list[int] = []
    raw: list[list[str]] = []
    for number, line in enumerate(lines, first):
        if not line.strip():
            continue
        cells = _cells(line, comma)
        if len(cells) != len(names):
            rejected.append((number, texts["rows_cells"].format(len(cells), len(names))))
            continue
        numbers.append(number)
        raw.append([cells[i].strip() if comma else cells[i].strip().replace(",", ".") for i in columns])
    values = np.array([[_number(cell) for cell in cells] for cells in raw]).reshape(-1, len(NAMES))
    # Nearly all rows are good, and numpy knows in a moment; pydantic says what is wrong with the others.
    good = ((values >= _LOW) & (values <= _HIGH) & (~_FLAG | (values == np.rint(values)))).all(axis=1)
    out_of_range: list[str] = []
    for i in np.flatnonzero(~good).tolist():
        reason, features = _reason(raw[i], values[i], texts)
        rejected.append((numbers[i], reason))
        out_of_range += features
    kept = np.flatnonzero(good).tolist()
    return Piece(values[good], [numbers[i] for i in kept], sorted(rejected), out_of_range)


def _cells(line: str, comma: bool) -> list[str]:
    delimiter = "," if comma else ";"
    if '"' not in line:
        return line.rstrip("\r").split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return []


def _columns(header: Sequence[str], texts: Mapping[str, str]) -> list[int]:
    for name in NAMES:
        if name not in header:
            raise HeaderError(texts["rows_header"].format(name, ", ".join(NAMES)))
        if header.count(name) > 1:
            raise HeaderError(texts["rows_twice"].format(name))
    return [header.index(name) for name in NAMES]


def _number(cell: str) -> float:
    """Return the number, or NaN for what is none: Python's float takes more than a CSV should."""
    try:
        return float(cell) if cell.isascii() and "_" not in cell else float("nan")
    except ValueError:
        return float("nan")


def _reason(cells: Sequence[str], values: Floats, texts: Mapping[str, str]) -> tuple[str, list[str]]:
    # Whole numbers as JSON has them, so that the schema finds the same faults.
    numbers = [int(value) if value.is_integer() else value for value in values.tolist()]
    given = {
        name: text if math.isnan(value) else value
        for name, text, value in zip(NAMES, cells, numbers, strict=True)
        if text
    }
    reasons, features = refusal(given, texts)
    return "; ".join(reasons), features


def refusal(row: Mapping[str, Any], texts: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Say what is wrong with a row, in the language of the page.

    Returns:
        a sentence for each value; the features whose value is a number out of the plausible range.
    """
    try:
        Row.model_validate(row)
    except ValidationError as error:
        return list(_sentences(error, texts)), implausible(error)
    return [], []


def _sentences(error: ValidationError, texts: Mapping[str, str]) -> Iterator[str]:
    for problem in error.errors(include_url=False, include_context=False):
        name = str(problem["loc"][0])
        expected = texts[f"expected_{name}"]
        if problem["type"] == "missing" or problem["input"] is None:
            yield texts["is_missing"].format(name=name, expected=expected)
        else:
            given = problem["input"]
            number = isinstance(given, int | float) and not isinstance(given, bool)
            value = f"{given:g}" if number else repr(str(given)[:40])
            yield texts["must_be"].format(name=name, value=value, expected=expected)
