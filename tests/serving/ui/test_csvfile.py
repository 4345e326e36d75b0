"""Rows as lines of a file: what is taken, what is refused, and why."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from serving.schema import FEATURES, NAMES, Flag, Row
from serving.ui.csvfile import HeaderError, read
from serving.ui.texts import texts
from tests.models import plausible_rows

HEADER = ",".join(NAMES)
EN = texts("en")
GOOD = plausible_rows(1)[0].tolist()
NUMBER = next(j for j, feature in enumerate(FEATURES) if not isinstance(feature, Flag))
FLAG = next(j for j, feature in enumerate(FEATURES) if isinstance(feature, Flag))


def line(**changed: object) -> str:
    return ",".join(str(changed.get(name, value)) for name, value in zip(NAMES, GOOD, strict=True))


def test_good_lines_keep_their_values_and_numbers() -> None:
    values = plausible_rows(50)
    text = "\n".join([HEADER, *(",".join(map(str, row)) for row in values.tolist())])
    piece = read(text, 1002, EN)
    assert np.array_equal(piece.values, values)
    assert piece.lines == list(range(1002, 1052))
    assert piece.rejected == []


def test_columns_may_stand_in_any_order_beside_others() -> None:
    names = ["id", *reversed(NAMES), "note"]
    cells = ["7", *(str(value) for value in reversed(GOOD)), '"a, b"']
    piece = read(f"{','.join(names)}\n{','.join(cells)}", 2, EN)
    assert piece.values.tolist() == [GOOD]


def test_semicolons_go_with_decimal_commas_and_a_byte_order_mark_is_no_column() -> None:
    cells = ";".join(str(value).replace(".", ",") for value in GOOD)
    piece = read(f"\ufeff{';'.join(NAMES)}\r\n{cells}\r", 2, EN)
    assert piece.values.tolist() == [GOOD]


def test_empty_lines_are_skipped_and_counted() -> None:
    piece = read(f"{HEADER}\n\n{line()}\n  \n{line()}", 2, EN)
    assert piece.lines == [3, 5]


@pytest.mark.parametrize("cell", ["", "abc", "nan", "inf", "1_0", "\uff11\uff12", "1e999", "0x1", "12.0.1", '"'])
def test_what_is_no_number_is_refused_by_line_and_name(cell: str) -> None:
    piece = read(f"{HEADER}\n{line()}\n{line(**{NAMES[NUMBER]: cell})}", 2, EN)
    assert piece.lines == [2]
    [(number, reason)] = piece.rejected
    assert number == 3
    assert reason.startswith(NAMES[NUMBER]) or "cells" in reason
    assert piece.implausible in ([], [NAMES[NUMBER]])


def test_what_is_out_of_range_is_refused_with_the_range_and_counted() -> None:
    feature = FEATURES[NUMBER]
    piece = read(f"{HEADER}\n{line(**{feature.name: feature.high + 1, NAMES[FLAG]: 0.5})}", 9, EN)
    [(number, reason)] = piece.rejected
    assert number == 9
    assert f"{feature.name} is {feature.high + 1:g}; expected {feature.expected}" in reason
    assert f"{NAMES[FLAG]} is 0.5; expected 0 or 1" in reason
    assert piece.implausible == [feature.name]


def test_a_reason_is_in_the_language_of_the_page() -> None:
    piece = read(f"{HEADER}\n{line(**{NAMES[NUMBER]: 'x'})}\n1,2", 2, texts("id"))
    assert "seharusnya" in piece.rejected[0][1]
    assert "sel" in piece.rejected[1][1]


def test_lines_of_another_length_are_refused() -> None:
    piece = read(f"{HEADER}\n{line()},1\n1\n{line()}", 2, EN)
    assert [number for number, _ in piece.rejected] == [2, 3]
    assert piece.rejected[0][1] == f"the line has {len(NAMES) + 1} cells; expected {len(NAMES)}, as in the first line"


@pytest.mark.parametrize("header", ["", "a,b", HEADER.replace(NAMES[1], "other")])
def test_a_missing_column_is_named(header: str) -> None:
    with pytest.raises(HeaderError, match=r"no column .*; expected"):
        read(f"{header}\n{line()}", 2, EN)


def test_a_column_that_is_there_twice_is_named() -> None:
    with pytest.raises(HeaderError, match=f"the column {NAMES[0]} twice"):
        read(f"{HEADER},{NAMES[0]}\n{line()},1", 2, EN)


cells = st.one_of(st.integers(-2, 30), st.floats(), st.sampled_from(["", "1", "0.0", "1.0", "x", "13.5", "-0", "1e1"]))


@given(st.lists(st.tuples(*[cells] * len(NAMES)), min_size=1, max_size=5))
def test_the_fast_check_and_the_schema_agree(rows: list[tuple[object, ...]]) -> None:
    piece = read("\n".join([HEADER, *(",".join(map(str, row)) for row in rows)]), 2, EN)
    accepted = []
    for number, row in enumerate(rows, 2):
        try:
            Row.model_validate({name: float(str(cell)) for name, cell in zip(NAMES, row, strict=True) if cell != ""})
            accepted.append(number)
        except (ValidationError, ValueError):
            pass
    assert piece.lines == accepted
    assert sorted([*piece.lines, *(number for number, _ in piece.rejected)]) == list(range(2, len(rows) + 2))
    assert all(reason for _, reason in piece.rejected)
