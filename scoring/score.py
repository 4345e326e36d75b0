"""The scoring function: a batch in, predictions, rejects and counts out. Every engine calls this one and no other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from scoring.arrays import from_numpy, from_texts
from scoring.checks import check, reasons, takes
from scoring.inputs import Input
from scoring.problems import ScoringError
from scoring.sources import Batch, Position
from scoring.tally import Tally, count
from serving.model import Floats
from serving.schema import CLASSES, FEATURES, NAMES
from serving.store import StoredModel

# Rows whose intermediate values stay in a core's cache.
SLICE = 4096
LABEL = pa.dictionary(pa.int8(), pa.string())
ANSWERS = (("label", LABEL), *((f"probability_{name}", pa.float64()) for name in CLASSES), ("outlier", pa.bool_()))
_NAMES = {name for name, _ in ANSWERS}


class Reject(NamedTuple):
    """A row that was refused: its line or row number, everything that is wrong with it, and its kept columns."""

    line: int
    reason: str
    kept: list[object]


class Scored(NamedTuple):
    """What became of a batch; `end` and `ends_part` are the batch's."""

    predictions: pa.Table
    rejects: list[Reject]
    tally: Tally
    size: int
    end: Position
    ends_part: bool


@dataclass(frozen=True)
class Scorer:
    """Scores batches with one model and carries columns through.

    Args:
        kept: names and types of the columns to carry through.
    """

    stored: StoredModel
    kept: pa.Schema
    _labels: pa.Array = field(default_factory=lambda: from_texts(CLASSES))

    @property
    def schema(self) -> pa.Schema:
        """Of the predictions. The model's tag goes with them as metadata."""
        return pa.schema([*self.kept, *ANSWERS], {"model": self.stored.tag})

    @property
    def columns(self) -> list[str]:
        """What to read: the features in the schema's order, then the kept columns."""
        return [*NAMES, *(name for name in self.kept.names if name not in NAMES)]

    def score(self, batch: Batch) -> Scored:
        """Score the rows that are sound and say of the others why not. Order is kept."""
        columns = [_flat(batch.table.column(name)) for name in NAMES]
        checked = check(columns)
        kept = [batch.table.column(field.name).cast(field.type) for field in self.kept]
        rejects = [Reject(line, why, [None] * len(kept)) for line, why in batch.broken]
        sound = checked.values
        if not checked.sound.all():
            bad = np.flatnonzero(~checked.sound)
            why = reasons(columns, checked.good, bad)
            carried = [column.take(from_numpy(bad)).to_pylist() for column in kept]
            rejects += [
                Reject(line, reason, [column[i] for column in carried])
                for i, (line, reason) in enumerate(zip(batch.lines[bad].tolist(), why, strict=True))
            ]
            rejects.sort(key=lambda reject: reject.line)
            sound = checked.values[:, checked.sound]
            kept = [column.filter(from_numpy(checked.sound)) for column in kept]
        answers, tally = self._answers(sound)
        tally.rows, tally.rejects = len(batch.table) + len(batch.broken), len(rejects)
        predictions = pa.Table.from_arrays([*kept, *answers], schema=self.schema)
        return Scored(predictions, rejects, tally, batch.size, batch.end, batch.ends_part)

    def _answers(self, values: Floats) -> tuple[list[pa.Array], Tally]:
        """Return the columns of `ANSWERS` for n rows, float64 [d, n], and their counts."""
        n = values.shape[1]
        label, outlier = np.empty(n, np.int8), np.empty(n, bool)
        probabilities = np.empty((len(CLASSES), n))
        for start in range(0, n, SLICE):
            part = slice(start, start + SLICE)
            scores = self.stored.model.score(values[:, part].T)
            label[part], outlier[part], probabilities[:, part] = scores.label, scores.outlier, scores.probabilities.T
        tally = Tally(
            rows=n,
            rejects=0,
            labels=np.bincount(label, minlength=len(CLASSES)).tolist(),
            outliers=int(np.count_nonzero(outlier)),
            bins=count(values, probabilities[-1], self.stored.reference),
        )
        labels = pa.DictionaryArray.from_arrays(from_numpy(label), self._labels)
        return [labels, *map(from_numpy, probabilities), from_numpy(outlier)], tally


def kept_schema(file: Input, schema: pa.Schema, keep: Sequence[str]) -> pa.Schema:
    """Check that a file has the features and the columns to keep, and return the types of these as they are carried.

    Raises:
        ScoringError: a column is missing, there more than once, or of a type that cannot hold a feature.
    """
    name = file.url
    missing = [column for column in (*NAMES, *keep) if column not in schema.names]
    if missing:
        plural = "s" if len(missing) > 1 else ""
        raise ScoringError(f"{name} has no column{plural} {', '.join(missing)}; it has {', '.join(schema.names)}")
    twice = [column for column in (*NAMES, *keep) if schema.names.count(column) > 1]
    if twice:
        raise ScoringError(f"{name} has the column {twice[0]} more than once")
    clash = [column for column in keep if column in _NAMES]
    if clash:
        raise ScoringError(f"{clash[0]} cannot be kept: the predictions have a column of that name")
    for feature in FEATURES:
        kind = schema.field(feature.name).type
        if file.format != "csv" and not takes(_value_type(kind)):
            raise ScoringError(f"{name}: the column {feature.name} holds {kind}; expected {feature.expected}")
    return pa.schema([(column, _value_type(schema.field(column).type)) for column in keep])


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _flat(column: pa.ChunkedArray) -> pa.Array:
    """Return one array; of a dictionary of numbers its values, and the text of a CSV as it is."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(array.type) and not pa.types.is_string(array.type.value_type):
        array = array.dictionary_decode()
    return array
