"""A file of training data, validated against the schema before anything is trained on it.

Wanted are the schema's features and the label: either the target column holding a class's name, or, for two classes, a
column named as the last class holding 0 or 1. Columns the schema ignores may be there; others may not.
"""

from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from serving.schema import CLASSES, FEATURES, IGNORED_COLUMNS, NAMES, TARGET, Feature, Flag
from training.table import SHOWN, DataError, listed, read_table

# Stricter than float(): no "inf", "nan", "1_000" or digits of other scripts.
_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_INDICATOR = CLASSES[-1] if len(CLASSES) == 2 else None


def read_csv(path: Path, folds: int) -> pd.DataFrame:
    """Read and validate a file of training data.

    Args:
        folds: of the cross-validation to come; every class needs as many distinct rows.

    Returns:
        The features in the schema's order, float64 and int64, and the label; rows in the file's order.

    Raises:
        DataError: with everything that is wrong, one line a column.
    """
    table = read_table(path)
    problems = _columns(list(table.columns))
    values = {f.name: _numbers(table[f.name], f, problems) for f in FEATURES if f.name in table}
    labels = _labels(table, problems)
    if not problems:
        flags = {f.name: "int64" for f in FEATURES if isinstance(f, Flag)}
        frame = pd.DataFrame({**values, TARGET: labels}).astype(flags).reset_index(drop=True)
        problems = _classes(frame, folds)
    if problems:
        raise DataError("\n  - ".join([f"{path} cannot be trained on:", *problems]))
    return frame


def _columns(found: list[str]) -> list[str]:
    known = (*NAMES, TARGET, *IGNORED_COLUMNS, *([_INDICATOR] if _INDICATOR else []))
    problems = [f"column {name} is missing" for name in NAMES if name not in found]
    if TARGET not in found and _INDICATOR not in found:
        choice = f" (or {_INDICATOR} with 0 or 1)" if _INDICATOR else ""
        problems.append(f"column {TARGET}{choice} is missing")
    for name in found:
        if name not in known:
            spelled = {k.casefold(): k for k in known}
            close = get_close_matches(name.strip().casefold(), spelled, n=1)
            problems.append(f'column "{name}" is unknown' + "".join(f'; did you mean "{spelled[c]}"?' for c in close))
    return problems


def _report(column: "pd.Series[str]", bad: "pd.Series[bool]", expected: str) -> list[str]:
    """Describe the bad cells of a column in one line; nothing if there are none."""
    cells = column[bad]
    first = [
        f"line {line} " + (f'has "{cell}"' if cell.strip() else "is empty") for line, cell in cells[:SHOWN].items()
    ]
    return [f"column {column.name}: expected {expected}, but {listed(first, len(cells))}"] if first else []


def _numbers(column: "pd.Series[str]", feature: Feature, problems: list[str]) -> "pd.Series[float]":
    stripped = column.str.strip()
    text = stripped.str.fullmatch(_NUMBER)
    numbers = pd.to_numeric(stripped.where(text), errors="coerce").astype("float64")
    fits = numbers.isin([0, 1]) if isinstance(feature, Flag) else numbers.between(feature.low, feature.high)
    problems += _report(column, ~fits, feature.expected)
    return numbers


def _labels(table: pd.DataFrame, problems: list[str]) -> "pd.Series[str] | None":
    """Return the class of each row from whichever label column is there; both must agree."""
    named = coded = None
    if TARGET in table:
        named = table[TARGET]
        bad = ~named.isin(CLASSES)
        wrong = _report(named, bad, " or ".join(CLASSES))
        meant = {c for c in CLASSES if (named[bad].str.strip().str.casefold() == c.casefold()).any()}
        hint = f"; write it exactly: did you mean {' or '.join(c for c in CLASSES if c in meant)}?" if meant else ""
        problems += [line + hint for line in wrong]
    if _INDICATOR in table:
        codes = pd.to_numeric(table[_INDICATOR].where(table[_INDICATOR].str.fullmatch(_NUMBER)), errors="coerce")
        problems += _report(table[_INDICATOR], ~codes.isin([0, 1]), "0 or 1")
        coded = codes.map(dict(enumerate(CLASSES)))
    if named is None or coded is None:
        return coded if named is None else named
    differ = named.isin(CLASSES) & coded.notna() & (named != coded)
    lines = [f"line {line}" for line in table.index[differ][:SHOWN]]
    if lines:
        problems.append(f"columns {TARGET} and {_INDICATOR} disagree: {listed(lines, int(differ.sum()))}")
    return named


def _classes(frame: pd.DataFrame, folds: int) -> list[str]:
    """Check that each class has enough distinct rows; equal rows stay in one fold."""
    distinct = frame.drop_duplicates()[TARGET].value_counts()
    problems = []
    for label in CLASSES:
        count = int(distinct.get(label, 0))
        if not count:
            problems.append(f"column {TARGET}: no row is {label}; rows of {' and '.join(CLASSES)} are needed")
        elif count < folds:
            problems.append(
                f"column {TARGET}: {label} has {count} distinct rows, cross-validation needs at least {folds}"
            )
    return problems
