"""Predictions and rejects as files that appear whole or not at all."""

import csv
import io
from collections.abc import Sequence
from typing import Any, BinaryIO, Self, cast

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from scoring.places import NewFile, Place
from scoring.problems import ScoringError, telling
from scoring.score import LABEL, Reject, Scored, Scorer

SUFFIXES = {"parquet": ".parquet", "csv": ".csv", "arrow": ".arrow"}
GROUP_ROWS = 1 << 19
GROUP_BYTES = 128 << 20


def check_writable(schema: pa.Schema, form: str) -> None:
    """Check that a format can hold the columns.

    Raises:
        ScoringError: a CSV cannot hold lists or structures.
    """
    nested = [field.name for field in schema if form == "csv" and pa.types.is_nested(field.type)]
    if nested:
        raise ScoringError(f"the column {nested[0]} cannot be kept in a CSV: it holds {schema.field(nested[0]).type}")


class Predictions:
    """A file of predictions in the making."""

    def __init__(self, place: Place, form: str, schema: pa.Schema) -> None:
        self._url, self._schema, self._form = place.url, schema, form
        self._new = NewFile(place)
        self._waiting: list[pa.Table] = []
        with telling(f"{place.url} cannot be written"):
            self._writer = self._open()

    def _open(self) -> Any:
        if self._form == "parquet":
            # Whole numbers, ids above all, are smaller and faster as differences than as a dictionary.
            whole = [field.name for field in self._schema if pa.types.is_integer(field.type)]
            return pq.ParquetWriter(
                self._new,
                self._schema,
                compression="zstd",
                use_dictionary=[name for name in self._schema.names if name not in whole],
                column_encoding=dict.fromkeys(whole, "DELTA_BINARY_PACKED"),
            )
        if self._form == "arrow":
            return pa.ipc.new_file(self._new, self._schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))
        # A CSV has no dictionaries.
        fields = [field.with_type(pa.string()) if field.type == LABEL else field for field in self._schema]
        self._plain = pa.schema(fields, self._schema.metadata)
        return pa_csv.CSVWriter(self._new, self._plain, write_options=pa_csv.WriteOptions(quoting_style="needed"))

    def write(self, table: pa.Table) -> None:
        """Add rows. They are written in groups, which a reader of Parquet is faster with."""
        self._waiting.append(table)
        if sum(map(len, self._waiting)) >= GROUP_ROWS or sum(table.nbytes for table in self._waiting) >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        table, self._waiting = pa.concat_tables(self._waiting), []
        with telling(f"{self._url} cannot be written"):
            if self._form == "csv":
                self._writer.write_table(table.cast(self._plain))
            else:
                self._writer.write_table(table)

    def finish(self) -> None:
        """Write what is left."""
        if self._waiting:
            self._flush()
        with telling(f"{self._url} cannot be written"):
            self._writer.close()
            self._new.flush()

    def commit(self) -> None:
        """Give the finished file its name."""
        self._new.commit()

    def discard(self) -> None:
        """Leave nothing, unless it was committed."""
        self._new.discard()


class Rejects:
    """A CSV of rejects in the making: `file`, `line`, `reason`, then the kept columns."""

    def __init__(self, place: Place, kept: Sequence[str], *, header: bool = True) -> None:
        self._url = place.url
        self._new = NewFile(place)
        self._text = io.TextIOWrapper(cast(BinaryIO, self._new), "utf-8", newline="")
        self._csv = csv.writer(self._text, lineterminator="\n")
        if header:
            self._csv.writerow(["file", "line", "reason", *kept])

    def write(self, file: str, rejects: Sequence[Reject]) -> None:
        with telling(f"{self._url} cannot be written"):
            self._csv.writerows([file, reject.line, reject.reason, *reject.kept] for reject in rejects)

    def append(self, content: bytes) -> None:
        """Add lines that another `Rejects` wrote."""
        with telling(f"{self._url} cannot be written"):
            self._text.flush()
            self._new.write(content)

    def finish(self) -> None:
        """Write what is left."""
        with telling(f"{self._url} cannot be written"):
            self._text.flush()

    def commit(self) -> None:
        """Give the finished file its name."""
        self._new.commit()

    def discard(self) -> None:
        self._new.discard()


class Pair:
    """The predictions of some rows and their rejects. Leaving the block without `commit` leaves no file."""

    def __init__(self, predictions: Predictions, rejects: Rejects) -> None:
        self._predictions, self._rejects = predictions, rejects

    @classmethod
    def of(cls, output: Place, refused: Place, form: str, scorer: Scorer, *, header: bool = True) -> Self:
        rejects = Rejects(refused, scorer.kept.names, header=header)
        try:
            return cls(Predictions(output, form, scorer.schema), rejects)
        except BaseException:
            rejects.discard()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._predictions.discard()
        self._rejects.discard()

    def write(self, file: str, batch: Scored) -> None:
        if len(batch.predictions):
            self._predictions.write(batch.predictions)
        if batch.rejects:
            self._rejects.write(file, batch.rejects)

    def commit(self) -> None:
        self._predictions.finish()
        self._rejects.finish()
        # The predictions last: whoever finds them finds the rejects too.
        self._rejects.commit()
        self._predictions.commit()
