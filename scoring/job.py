"""What one run is asked to do, checked before a row is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from scoring.inputs import Input, find, format_of
from scoring.outputs import SUFFIXES, check_writable
from scoring.places import Place
from scoring.problems import ScoringError
from scoring.score import Scorer, kept_schema
from scoring.sources import Source, open_source
from serving.schema import fingerprint
from serving.store import StoredModel

PART_ROWS = 1_000_000


@dataclass(frozen=True)
class Request:
    """What somebody asks for; see `python -m scoring --help`. Empty `rejects` and `form` follow from the output."""

    input: str
    output: str
    keep: tuple[str, ...] = ()
    rejects: str = ""
    form: str = ""
    part_rows: int = PART_ROWS


@dataclass(frozen=True)
class Job:
    """A checked request.

    Args:
        form: format of the output.
        is_folder: whether the output is a folder of parts.
        part_rows: input rows of a part; of a CSV, 32 bytes stand for a row.
        rows: in all inputs, None if only reading tells.
    """

    files: list[Input]
    output: Place
    rejects: Place
    form: str
    is_folder: bool
    keep: tuple[str, ...]
    part_rows: int
    rows: int | None
    scorer: Scorer

    @property
    def identity(self) -> dict[str, Any]:
        """What must be the same for a run to go on with the parts of an earlier one."""
        return {
            "model": self.scorer.stored.tag,
            "schema": fingerprint(),
            "keep": list(self.keep),
            "format": self.form,
            "part_rows": self.part_rows,
            "inputs": [[file.url, file.size, file.version] for file in self.files],
        }

    @property
    def input_bytes(self) -> int:
        return sum(file.size for file in self.files)


def make_job(asked: Request, stored: StoredModel) -> Job:
    """Find the inputs and look into each of them.

    Raises:
        ScoringError: the files cannot be scored as asked.
    """
    for name, value in (("INPUT", asked.input), ("OUTPUT", asked.output)):
        if not value.strip():
            raise ScoringError(
                f"{name} is empty: name a file, a folder or a URL, as in INPUT=rows.csv OUTPUT=scored.parquet"
            )
    place = Place.of(asked.output)
    named = format_of(place.path)
    is_folder = asked.output.endswith("/") or named is None or place.is_folder()
    form = asked.form or ("parquet" if is_folder else str(named))
    if not is_folder and form != named:
        raise ScoringError(f"{place.url} is not how a file of the format {form} is named: expected {SUFFIXES[form]}")
    refused = (
        Place.of(asked.rejects) if asked.rejects else place.sibling(f"{_stem(place, is_folder=is_folder)}.rejects.csv")
    )
    files = find(asked.input)
    for file in files:
        if file.place.path in (place.path, refused.path) or (is_folder and _inside(file.place, place)):
            raise ScoringError(f"{file.url} is an input: results go elsewhere")
    kept, rows = _look(files, asked.keep, asked.part_rows)
    scorer = Scorer(stored, kept)
    job = Job(files, place, refused, form, is_folder, asked.keep, asked.part_rows, rows, scorer)
    check_writable(job.scorer.schema, form)
    return job


@contextmanager
def opened(file: Input, part_rows: int) -> Iterator[Source]:
    source = open_source(file, part_rows)
    try:
        yield source
    finally:
        source.close()


def _stem(place: Place, *, is_folder: bool) -> str:
    return place.name if is_folder else place.name.rpartition(".")[0]


def _inside(place: Place, folder: Place) -> bool:
    return place.path.startswith(f"{folder.path}/")


def _look(files: list[Input], keep: tuple[str, ...], part_rows: int) -> tuple[pa.Schema, int | None]:
    """Check every file's columns, and return the types of the kept ones and the number of rows if it is known."""
    first: pa.Schema | None = None
    rows: int | None = 0
    for file in files:
        with opened(file, part_rows) as source:
            kept = kept_schema(file, source.schema, keep)
            rows = None if rows is None or source.rows is None else rows + source.rows
        first = kept if first is None else first
        for before, here in zip(first, kept, strict=True):
            if before.type != here.type:
                raise ScoringError(
                    f"{file.url}: the column {here.name} holds {here.type}, and {before.type} in {files[0].url};"
                    " columns to keep must have one type"
                )
    assert first is not None
    return first, rows
