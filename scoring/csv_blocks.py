"""A CSV file as blocks of whole records that know the line of the file on which each record starts.

Blocks without a line break inside quotes, nearly all, are parsed by Arrow, and a record is a line there. The others
go through Python's own reader, which is slower and knows. Where a block ends depends on the file and on where the block
starts, and on nothing else.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from scoring.arrays import from_texts
from scoring.problems import ScoringError

BLOCK_BYTES = 4 << 20
LONGEST_RECORD = 16 << 20
csv.field_size_limit(LONGEST_RECORD)
_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Header(NamedTuple):
    """The names of the columns, and where the record after them starts: byte offset, and line from 1."""

    names: list[str]
    offset: int
    line: int


class Block(NamedTuple):
    """Whole records: `data`, `offset` of its first byte and `line` of its first line, from 1. `plain`: for Arrow."""

    data: bytes
    offset: int
    line: int
    plain: bool

    @property
    def next_line(self) -> int:
        return self.line + self.data.count(b"\n") + self.data.count(b"\r") - self.data.count(b"\r\n")


class Records(NamedTuple):
    """The records of a block.

    columns: the wanted ones, text [n] or, of those asked for so, dictionary-encoded text.
    lines: int64 [n], where each record starts.  broken: (line, why) of records that do not fit the header.
    """

    columns: list[pa.Array]
    lines: NDArray[np.int64]
    broken: list[tuple[int, str]]


class _Record(NamedTuple):
    fields: list[str]
    start: int  # lines before it
    stop: int  # lines before the next
    problem: str


def read_header(file: IO[bytes], name: str) -> Header:
    """Read the first record.

    Raises:
        ScoringError: there is none, or the file is no CSV file.
    """
    data = file.read(1 << 20)
    if data.startswith(_MARKS):
        raise ScoringError(f"{name} is encoded as UTF-16: save it as UTF-8")
    bom = 3 if data.startswith(b"\xef\xbb\xbf") else 0
    _check_text(data[bom:], name, 1, last=len(data) < 1 << 20)
    lines = _lines(data[bom:])
    for record in _split(lines):
        if record.problem:
            raise ScoringError(f"{name}: line {record.start + 1} is not valid CSV: {record.problem}")
        if record.fields:
            if len(record.fields) == 1 and any(mark in record.fields[0] for mark in ";\t|"):
                raise ScoringError(f"{name}: line {record.start + 1} has no comma: separate the columns with commas")
            return Header(record.fields, bom + _size(lines[: record.stop]), record.stop + 1)
    raise ScoringError(f"{name} is empty: expected a line with the names of the columns")


def blocks(file: IO[bytes], name: str, offset: int, line: int, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Cut a file into blocks, from the record that starts at a byte offset, on a line.

    Raises:
        ScoringError: the file is not text in UTF-8, or a quoted field never ends.
    """
    file.seek(offset)
    buffer, wanted = b"", block_bytes
    while True:
        if len(buffer) < wanted:
            buffer += file.read(wanted - len(buffer))
        if not buffer:
            return
        data = buffer[:wanted]
        last = len(data) < wanted
        _check_text(data, name, line, last=last)
        plain, end = _cut(data, last=last)
        if end:
            block = Block(data[:end], offset, line, plain)
            yield block
            offset, line, buffer, wanted = offset + end, block.next_line, buffer[end:], block_bytes
        elif len(data) > LONGEST_RECORD:
            raise ScoringError(f"{name}: the record that starts on line {line} does not end: is a quote missing?")
        else:
            wanted += block_bytes


def parse(block: Block, fields: int, wanted: Sequence[int], encoded: int) -> Records:
    """Split a block into fields.

    Args:
        fields: how many the header has.
        wanted: positions of the columns to return; the first `encoded` of them dictionary-encoded.
    """
    return (_by_arrow(block, fields, wanted, encoded) if block.plain else None) or _by_python(
        block, fields, wanted, encoded
    )


def _by_arrow(block: Block, fields: int, wanted: Sequence[int], encoded: int) -> Records | None:
    """Parse a plain block; None if a line has another number of fields, which only the other parser can place."""
    names = [str(position) for position in range(fields)]
    kinds = {names[j]: _ENCODED if i < encoded else pa.string() for i, j in enumerate(wanted)}
    try:
        table = pa_csv.read_csv(
            pa.BufferReader(block.data),
            # One chunk, and so one dictionary a column.
            pa_csv.ReadOptions(column_names=names, block_size=max(len(block.data), 1) + 1),
            pa_csv.ParseOptions(quote_char='"' if b'"' in block.data else False, ignore_empty_lines=False),
            pa_csv.ConvertOptions(column_types=kinds, include_columns=list(kinds), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    if len(table) != block.next_line - block.line + (not block.data.endswith(b"\n")):
        return None
    columns = [table.column(names[j]).combine_chunks() for j in wanted]
    return Records(columns, np.arange(block.line, block.line + len(table), dtype=np.int64), [])


def _by_python(block: Block, fields: int, wanted: Sequence[int], encoded: int) -> Records:
    rows: list[list[str]] = []
    lines: list[int] = []
    broken: list[tuple[int, str]] = []
    for record in _split(_lines(block.data)):
        line = block.line + record.start
        if record.problem:
            broken.append((line, f"the line is not valid CSV: {record.problem}"))
        elif record.fields and len(record.fields) != fields:
            count = len(record.fields)
            broken.append((line, f"the line has {count} field{'s' * (count != 1)}; expected {fields}, as the header"))
        elif record.fields:
            rows.append(record.fields)
            lines.append(line)
    columns = [from_texts([row[j] for row in rows]) for j in wanted]
    columns[:encoded] = [column.dictionary_encode() for column in columns[:encoded]]
    return Records(columns, np.array(lines, np.int64), broken)


_ENCODED = pa.dictionary(pa.int32(), pa.string())


def _check_text(data: bytes, name: str, line: int, *, last: bool) -> None:
    if b"\0" in data:
        raise ScoringError(f"{name} is a binary file, not a CSV file")
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if not last and error.reason == "unexpected end of data":
            return  # the block ends inside a character
        line += data.count(b"\n", 0, error.start)
        byte = data[error.start]
        raise ScoringError(
            f"{name} is not encoded as UTF-8 (line {line} has the byte 0x{byte:02X}): save it as UTF-8"
        ) from None


def _cut(data: bytes, *, last: bool) -> tuple[bool, int]:
    """Return whether every line is a record, and the size of the whole records; 0 if there is none."""
    end = len(data) if last else data.rfind(b"\n") + 1
    # Blank lines are no records, and a carriage return may end a line by itself.
    blank = b"\n\n" in data or b"\n\r\n" in data or data.startswith((b"\n", b"\r"))
    if not blank and data.count(b"\r", 0, end) == data.count(b"\r\n", 0, end):
        if b'"' not in data:
            return True, end
        array = np.frombuffer(data, np.uint8, end)
        quotes, breaks = np.flatnonzero(array == ord('"')), np.flatnonzero(array == ord("\n"))
        if not (np.searchsorted(quotes, breaks) % 2).any() and len(quotes) % 2 == 0:
            return True, end
    if last:
        return False, end
    lines = _lines(data[:end])
    whole = 0
    for record in _split(lines):
        # The quotes that open here may close in what follows.
        whole = record.start if record.stop == len(lines) and record.problem else record.stop
    return False, _size(lines[:whole])


def _lines(data: bytes) -> list[str]:
    # Not str.splitlines: a form feed or U+2028 ends no line of a file.
    return list(io.StringIO(data.decode(errors="ignore"), newline=""))


def _size(lines: list[str]) -> int:
    return sum(len(line.encode()) for line in lines)


def _split(lines: Sequence[str]) -> Iterator[_Record]:
    """Split lines into records as RFC 4180 has them. A blank line is a record without fields."""
    left, position = iter(lines), 0
    while position < len(lines):
        reader, before = csv.reader(left, strict=True), position
        try:
            for fields in reader:
                stop = before + reader.line_num
                yield _Record(fields, position, stop, "")
                position = stop
        except csv.Error as error:
            stop = before + reader.line_num
            yield _Record([], position, stop, str(error))
            position = stop
