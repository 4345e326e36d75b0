"""Files of training data: what is accepted, and what each defect is called, with its line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from training.data import read_csv
from training.table import DataError

HEADER = "long_hair,forehead_width_cm,forehead_height_cm,nose_wide,nose_long,lips_thin,gender"
# Ten rows, five a class, on the lines 2 to 11; all distinct.
ROWS = [f"1,{12 + i / 10:.1f},6.1,{i % 2},{i % 2},0,{'Male' if i % 2 else 'Female'}" for i in range(10)]
GOOD = "\n".join([HEADER, *ROWS, ""])


def with_line(number: int, line: str) -> str:
    lines = GOOD.split("\n")
    lines[number - 1] = line
    return "\n".join(lines)


def with_column(name: str, cells: list[str]) -> str:
    lines = GOOD.strip().split("\n")
    return "\n".join(f"{line},{cell}" for line, cell in zip(lines, [name, *cells], strict=True))


def without_column(position: int) -> str:
    rows = [line.split(",") for line in GOOD.strip().split("\n")]
    return "\n".join(",".join(cell for i, cell in enumerate(row) if i != position) for row in rows)


MALE = ["0", "1"] * 5


def with_male(cells: list[str]) -> str:
    """Write the variant with a column of 0 and 1 instead of the labels."""
    lines = without_column(6).split("\n")
    return "\n".join(f"{line},{cell}" for line, cell in zip(lines, ["Male", *cells], strict=True))


ACCEPTED = {
    "as is": GOOD,
    "byte order mark": "\ufeff" + GOOD,
    "windows line ends": GOOD.replace("\n", "\r\n"),
    "old mac line ends": GOOD.replace("\n", "\r"),
    "blank lines": GOOD.replace("\n", "\n\n"),
    "no last line end": GOOD.strip(),
    "ignored column": with_column("distance_nose_to_lip_long", ["1"] * 10),
    "0/1 labels": with_male(MALE),
    "0.0/1.0 labels": with_male([f"{cell}.0" for cell in MALE]),
    "both label columns": with_column("Male", MALE),
    "1.0 as a flag": with_line(2, "1.0,12.0,6.1,0.0,0,0,Female"),
    "whole number as a length": with_line(2, "1,12,6,0,0,0,Female"),
    "spaces around numbers": with_line(2, "1, 12.0 ,6.1,0,0,0,Female"),
    "quoted": with_line(2, '"1","12.0",6.1,0,0,0,"Female"'),
}


@pytest.mark.parametrize("text", ACCEPTED.values(), ids=ACCEPTED.keys())
def test_accepted(text: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(text.encode())
    frame = read_csv(file, folds=5)
    assert ",".join(frame.columns) == HEADER
    assert len(frame) == 10
    assert frame["gender"].tolist() == ["Female", "Male"] * 5
    assert frame["forehead_width_cm"].iloc[0] == 12.0


BAD = {
    "empty": ("", ["is empty"]),
    "only blank lines": ("\n\n\n", ["is empty"]),
    "only a header": (HEADER + "\n", ["has a header but no rows"]),
    "semicolons": (GOOD.replace(",", ";"), ["line 1 has no comma"]),
    "column missing": (without_column(1), ["column forehead_width_cm is missing"]),
    "label missing": (without_column(6), ["column gender (or Male with 0 or 1) is missing"]),
    "column unknown": (with_column("beard", ["1"] * 10), ['column "beard" is unknown']),
    "column misspelt": (
        GOOD.replace("nose_long", "Nose_Long"),
        ["column nose_long is missing", 'column "Nose_Long" is unknown; did you mean "nose_long"?'],
    ),
    "column twice": (with_column("nose_long", ["1"] * 10), ['"nose_long" more than once']),
    "column without a name": (with_column("", ["1"] * 10), ["column number 8 has no name"]),
    "field too few": (with_line(4, "1,12,6,0,0,0"), ["names 7 columns", "line 4 has 6 fields"]),
    "field too many": (with_line(5, "1,12,6,0,0,0,Male,1"), ["line 5 has 8 fields"]),
    "not a number": (
        with_line(3, "1,wide,6.1,1,1,0,Male"),
        ['column forehead_width_cm: expected a number from 5 to 25 (cm), but line 3 has "wide"'],
    ),
    "missing value": (with_line(6, "1,,6.1,0,0,0,Female"), ["forehead_width_cm", "line 6 is empty"]),
    "NA": (with_line(6, "1,NA,6.1,0,0,0,Female"), ['line 6 has "NA"']),
    "infinity": (with_line(6, "1,inf,6.1,0,0,0,Female"), ['line 6 has "inf"']),
    "overflow": (with_line(6, "1,1e999,6.1,0,0,0,Female"), ['line 6 has "1e999"']),
    "underscore": (with_line(6, "1,1_2,6.1,0,0,0,Female"), ['line 6 has "1_2"']),
    "implausible": (
        with_line(7, "1,12,1.9,1,1,0,Male"),
        ["forehead_height_cm: expected a number from 2 to 15", '"1.9"'],
    ),
    "negative": (with_line(7, "1,-12,6,1,1,0,Male"), ['line 7 has "-12"']),
    "flag 2": (with_line(8, "1,12,6,2,0,0,Female"), ['column nose_wide: expected 0 or 1, but line 8 has "2"']),
    "flag true": (with_line(8, "1,12,6,True,0,0,Female"), ["nose_wide", 'line 8 has "True"']),
    "flag .5": (with_line(8, "1,12,6,.5,0,0,Female"), ['line 8 has ".5"']),
    "unknown label": (
        with_line(9, "1,12,6,0,0,0,Other"),
        ['column gender: expected Female or Male, but line 9 has "Other"'],
    ),
    "label in another case": (with_line(9, "1,12,6,0,0,0,male"), ['line 9 has "male"', "did you mean Male?"]),
    "label with spaces": (with_line(9, "1,12,6,0,0,0, Female"), ['line 9 has " Female"', "did you mean Female?"]),
    "label empty": (with_line(9, "1,12,6,0,0,0,"), ["column gender", "line 9 is empty"]),
    "0/1 label of 2": (with_male([*MALE[:9], "2"]), ['column Male: expected 0 or 1, but line 11 has "2"']),
    "labels disagree": (with_column("Male", ["1", *MALE[1:]]), ["columns gender and Male disagree: line 2"]),
    "one class": (GOOD.replace("Male", "Female"), ["column gender: no row is Male"]),
    "too few of a class": (
        "\n".join([HEADER, *ROWS[:9]]),
        ["Male has 4 distinct rows, cross-validation needs at least 5"],
    ),
    "many copies of few rows": ("\n".join([HEADER, *ROWS[:4] * 20]), ["Female has 2 distinct rows"]),
    "bad line after blank lines": (with_line(3, "\n\n1,x,6.1,1,1,0,Male"), ['line 5 has "x"']),
    "bad line after a quoted line end": (
        with_line(2, '1,12.0,6.1,0,0,0,"Fe\nmale"').replace(ROWS[1], "1,x,6.1,1,1,0,Male"),
        ["gender", "line 2 has", 'line 4 has "x"'],
    ),
    "quote not closed": (with_line(4, '"1,12,6,0,0,0,Male'), ["line 4 is not valid CSV"]),
    "several columns": (
        with_line(3, "7,x,6.1,1,1,0,Malle"),
        ["column long_hair", "column forehead_width_cm", "column gender", 'line 3 has "Malle"'],
    ),
    "more lines than are listed": (
        GOOD.replace(",6.1,", ",61,"),
        ['line 2 has "61"', 'line 6 has "61" and 5 more'],
    ),
}


@pytest.mark.parametrize(("text", "words"), BAD.values(), ids=BAD.keys())
def test_refused(text: str, words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(text.encode())
    with pytest.raises(DataError) as error:
        read_csv(file, folds=5)
    for word in (str(file), *words):
        assert word in str(error.value)


BYTES: dict[str, tuple[Callable[[], bytes], str]] = {
    "utf-16": (lambda: GOOD.encode("utf-16"), "is encoded as UTF-16; save it as UTF-8"),
    "utf-16 without a mark": (lambda: GOOD.encode("utf-16-le"), "is a binary file"),
    "latin-1": (lambda: with_line(3, "é").encode("latin-1"), "not encoded as UTF-8 (line 3 has the byte 0xE9)"),
    "spreadsheet": (lambda: b"PK\x03\x04 whatever", "is a zip archive or a spreadsheet"),
    "binary": (lambda: b"\x89PNG\0\0", "is a binary file"),
}


@pytest.mark.parametrize(("content", "words"), BYTES.values(), ids=BYTES.keys())
def test_bytes_refused(content: Callable[[], bytes], words: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(content())
    with pytest.raises(DataError) as error:
        read_csv(file, folds=5)
    assert words in str(error.value)


def test_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a directory"):
        read_csv(tmp_path, folds=5)
    with pytest.raises(DataError, match="does not exist"):
        read_csv(tmp_path / "rows.csv", folds=5)
