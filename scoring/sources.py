"""Files as batches of rows that know where they stand: Parquet, Arrow and CSV, from any part's start."""

from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from scoring import csv_blocks
from scoring.inputs import Input
from scoring.problems import ScoringError, telling

BATCH_ROWS = 1 << 17
CSV_ROW_BYTES = 32  # a CSV is cut into parts by size: its rows cannot be counted without reading it
_SIGNS = {
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"FEA1": "a Feather file of the old version 1",
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"\x1f\x8b": "compressed with gzip",
}


class Position(NamedTuple):
    """Where a part starts: `row`s before it, and in a CSV the byte `offset` and the `line`."""

    row: int = 0
    offset: int = 0
    line: int = 0


START = Position()


class Batch(NamedTuple):
    """Some rows of a file.

    table: the features, then the kept columns.  lines: int64 [n], the line of a CSV on which the row starts, else the
    row's number, both from 1.  broken: (line, why) of what is no row.  size: about how many bytes of the file it is.
    end: where the next one starts.  ends_part: whether a part ends with it.
    """

    table: pa.Table
    lines: NDArray[np.int64]
    broken: list[tuple[int, str]]
    size: int
    end: Position
    ends_part: bool


class Source(Protocol):
    """An open file. `schema`: its columns; `rows`: how many, None if only reading tells."""

    schema: pa.Schema
    rows: int | None

    def batches(self, columns: Sequence[str], encoded: int, start: Position) -> Iterator[Batch]:
        """Yield the rows from a part's start to the end of the file; in a CSV the first columns dictionary-encoded."""
        ...

    def starts(self) -> Iterator[Position]:
        """Yield where each part starts."""
        ...

    def close(self) -> None: ...


def open_source(file: Input, part_rows: int) -> Source:
    """Open a file to score.

    Raises:
        ScoringError: it cannot be read or is not what its name says.
    """
    with telling(f"{file.url} cannot be read"):
        handle = file.place.fs.open(file.place.path, "rb")
        sign = handle.read(8)
        handle.seek(0)
    try:
        looks = next((what for begin, what in _SIGNS.items() if sign.startswith(begin)), None)
        if file.format == "csv":
            if looks:
                raise ScoringError(f"{file.url} is not a CSV file: it is {looks}")
            return CsvSource(file, handle, part_rows)
        article, begin = ("a Parquet", b"PAR1") if file.format == "parquet" else ("an Arrow", b"ARROW1")
        if not file.size:
            raise ScoringError(f"{file.url} is empty: expected {article} file")
        # An Arrow stream has no sign of its own.
        if not sign.startswith(begin) and (looks or file.format == "parquet"):
            raise ScoringError(f"{file.url} is not {article} file" + (f": it is {looks}" if looks else ""))
        with telling(f"{file.url} is damaged or not {article} file"):
            return (ParquetSource if file.format == "parquet" else ArrowSource)(file, handle, part_rows)
    except BaseException:
        handle.close()
        raise


class _Counted:
    """What files with numbered rows share: parts of `part_rows` rows."""

    rows: int | None

    def __init__(self, file: Input, handle: IO[bytes], part_rows: int) -> None:
        self._file, self._handle, self._part_rows = file, handle, part_rows

    def starts(self) -> Iterator[Position]:
        assert self.rows is not None
        yield from (Position(row) for row in range(0, self.rows, self._part_rows))

    def close(self) -> None:
        self._handle.close()

    def _cut(self, read: Iterator[pa.RecordBatch], row: int, start: int) -> Iterator[Batch]:
        """Slice what is read from `row` on into batches from `start` on that never straddle two parts."""
        for given in read:
            done = min(max(start - row, 0), len(given))
            while done < len(given):
                part_left = self._part_rows - (row + done) % self._part_rows
                piece = given.slice(done, min(BATCH_ROWS, part_left))
                first, done = row + done, done + len(piece)
                yield Batch(
                    pa.Table.from_batches([piece]),
                    np.arange(first + 1, first + len(piece) + 1),
                    [],
                    self._file.size * len(piece) // max(self.rows or 1, 1),
                    Position(row + done),
                    len(piece) == part_left,
                )
            row += len(given)


class ParquetSource(_Counted):
    def __init__(self, file: Input, handle: IO[bytes], part_rows: int) -> None:
        super().__init__(file, handle, part_rows)
        # From object storage the columns of a row group come in few large requests.
        source = file.place.path if file.place.is_local else handle
        self._parquet = pq.ParquetFile(source, pre_buffer=not file.place.is_local)
        self.schema: pa.Schema = self._parquet.schema_arrow
        self.rows = self._parquet.metadata.num_rows

    def batches(self, columns: Sequence[str], encoded: int, start: Position) -> Iterator[Batch]:
        with telling(f"{self._file.url} cannot be read"):
            first = row = 0
            metadata = self._parquet.metadata
            while first < metadata.num_row_groups and row + metadata.row_group(first).num_rows <= start.row:
                row += metadata.row_group(first).num_rows
                first += 1
            yield from self._cut(self._read(first, list(columns)), row, start.row)

    def _read(self, first: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
        for group in range(first, self._parquet.metadata.num_row_groups):
            for batch in self._parquet.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns):
                yield batch.select(columns)

    def close(self) -> None:
        self._parquet.close()
        super().close()


class ArrowSource(_Counted):
    """Arrow's file format, which is Feather, and its stream format."""

    def __init__(self, file: Input, handle: IO[bytes], part_rows: int) -> None:
        super().__init__(file, handle, part_rows)
        self._source: Any = pa.memory_map(file.place.path) if file.place.is_local else pa.PythonFile(handle, "r")
        self.rows: int | None = None
        try:
            reader = self._reader = pa.ipc.open_file(self._source)
            if file.place.is_local:
                self.rows = sum(reader.get_batch(i).num_rows for i in range(reader.num_record_batches))
        except pa.ArrowInvalid:
            self._source.seek(0)
            self._reader = pa.ipc.open_stream(self._source)
        self.schema: pa.Schema = self._reader.schema

    def batches(self, columns: Sequence[str], encoded: int, start: Position) -> Iterator[Batch]:
        with telling(f"{self._file.url} cannot be read"):
            read = (batch.select(list(columns)) for batch in self._read())
            yield from self._cut(read, 0, start.row)

    def _read(self) -> Iterator[pa.RecordBatch]:
        if isinstance(self._reader, pa.ipc.RecordBatchFileReader):
            for number in range(self._reader.num_record_batches):
                yield self._reader.get_batch(number)
        else:
            self._source.seek(0)
            yield from pa.ipc.open_stream(self._source)

    def starts(self) -> Iterator[Position]:
        if self.rows is None:
            with telling(f"{self._file.url} cannot be read"):
                self.rows = sum(len(batch) for batch in self._read())
        yield from super().starts()

    def close(self) -> None:
        self._source.close()
        super().close()


class CsvSource:
    rows: int | None = None

    def __init__(self, file: Input, handle: IO[bytes], part_rows: int) -> None:
        self._file, self._handle = file, handle
        self._part_bytes = part_rows * CSV_ROW_BYTES
        with telling(f"{file.url} cannot be read"):
            self._header = csv_blocks.read_header(handle, file.url)
        self.schema = pa.schema([(name, pa.string()) for name in self._header.names])

    def batches(self, columns: Sequence[str], encoded: int, start: Position) -> Iterator[Batch]:
        names = self._header.names
        wanted = [names.index(name) for name in columns]
        for block, end, ends_part in self._blocks(start):
            records = csv_blocks.parse(block, len(names), wanted, encoded)
            table = pa.Table.from_arrays(records.columns, names=list(columns))
            yield Batch(table, records.lines, records.broken, len(block.data), end, ends_part)

    def starts(self) -> Iterator[Position]:
        start: Position | None = START
        for _, end, ends_part in self._blocks(START):
            if start is not None:
                yield start
            start = end if ends_part else None

    def _blocks(self, start: Position) -> Iterator[tuple[csv_blocks.Block, Position, bool]]:
        offset, line = start[1:] if start.offset else self._header[1:]
        part_began = offset
        size = min(csv_blocks.BLOCK_BYTES, self._part_bytes)
        with telling(f"{self._file.url} cannot be read"):
            for block in csv_blocks.blocks(self._handle, self._file.url, offset, line, size):
                end = block.offset + len(block.data)
                ends_part = end - part_began + size > self._part_bytes  # another block might not fit
                part_began = end if ends_part else part_began
                yield block, Position(0, end, block.next_line), ends_part

    def close(self) -> None:
        self._handle.close()
