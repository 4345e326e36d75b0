"""A CSV file as text cells that remember the line they stand on, so that a message can name it."""

import csv
import io
from collections import Counter
from pathlib import Path

import pandas as pd

from training.stage import TrainingError

SHOWN = 5  # bad lines named in one message


class DataError(TrainingError):
    """A file of training data is not usable. The message names the columns and the first bad lines."""


def listed(items: list[str], total: int | None = None) -> str:
    """Join the first `SHOWN` items and count the rest."""
    total = len(items) if total is None else total
    more = f" and {total - SHOWN} more" if total > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more


def read_table(path: Path) -> pd.DataFrame:
    """Read a CSV with a header: comma-separated, UTF-8 with or without a byte order mark.

    Returns:
        Every cell as str. The index is the number of the line in the file on which the row starts; the header's is 1.

    Raises:
        DataError: it is not such a file, or a row has not as many fields as the header.
    """
    header, rows, lines = _records(_text(path), path)
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        raise DataError(f"{path}: line 1 has no comma; separate the columns with commas")
    unnamed = [str(position) for position, name in enumerate(header, 1) if not name.strip()]
    if unnamed:
        raise DataError(f"{path}: column number {listed(unnamed)} has no name in line 1")
    twice = [f'"{name}"' for name, count in Counter(header).items() if count > 1]
    if twice:
        raise DataError(f"{path}: line 1 has the column {listed(twice)} more than once")
    uneven = [f"line {line} has {len(row)}" for row, line in zip(rows, lines, strict=True) if len(row) != len(header)]
    if uneven:
        raise DataError(f"{path}: line 1 names {len(header)} columns, but {listed(uneven)} fields")
    if not rows:
        raise DataError(f"{path} has a header but no rows")
    return pd.DataFrame(rows, columns=header, index=lines, dtype=str)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a directory, not a CSV file") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{path} is encoded as UTF-16; save it as UTF-8")
    if content.startswith(b"PK\x03\x04"):
        raise DataError(f"{path} is a zip archive or a spreadsheet, not a CSV file; export or unpack it first")
    if b"\0" in content:
        raise DataError(f"{path} is a binary file, not a CSV file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = content[error.start]
        raise DataError(
            f"{path} is not encoded as UTF-8 (line {line} has the byte 0x{byte:02X}); save it as UTF-8"
        ) from None


def _records(text: str, path: Path) -> tuple[list[str], list[list[str]], list[int]]:
    """Split into the header, the rows and the line on which each row starts. Blank lines are skipped but counted."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    records: list[list[str]] = []
    lines: list[int] = []
    start = 1
    try:
        for record in reader:
            if record:
                records.append(record)
                lines.append(start)
            # A quoted field may hold line breaks, so a row's number is not its line.
            start = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}: line {start} is not valid CSV: {error}") from error
    if not records:
        raise DataError(f"{path} is empty")
    return records[0], records[1:], lines[1:]
