"""Evidently's reports about a span of the log. Importing Evidently takes seconds, so only when a report is due."""

import json
import os
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from monitoring.reference import Training
from serving.schema import CLASSES, FEATURES, NAMES, Flag

MIN_ROWS = 100
MIN_LABELS = 30
_K = len(CLASSES)
_ACTUAL, _LABEL, _PROBABILITY = "actual", "label", "probability"


def make(rows: pd.DataFrame, training: Training, model: str, folder: Path, now: float) -> str:
    """Write a report of a model's rows as HTML and JSON.

    Args:
        rows: as `Log.rows` gives them.

    Returns:
        One sentence: what was written, or why nothing was.
    """
    if len(rows) < MIN_ROWS:
        return f"no report: {len(rows)} rows of {model} say nothing, {MIN_ROWS} are needed"
    os.environ["DO_NOT_TRACK"] = "1"
    live = rows.assign(**{_PROBABILITY: rows[f"probability_{CLASSES[-1]}"]})
    labelled = live[live[_ACTUAL].isin(CLASSES)]
    quality = len(labelled) >= MIN_LABELS and labelled[_ACTUAL].nunique() == len(CLASSES)
    name = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # What Evidently and the libraries below it warn about, a constant column for one, is no news to a reader.
        warnings.simplefilter("ignore")
        snapshots = {"drift": _drift(live, training.rows)}
        if quality:
            snapshots["quality"] = _quality(labelled, training.rows)
        for kind, snapshot in snapshots.items():
            for ending, save in (("html", snapshot.save_html), ("json", snapshot.save_json)):
                unfinished = folder / f".{name}-{kind}.{ending}"
                save(str(unfinished))
                unfinished.replace(folder / f"{name}-{kind}.{ending}")
    about = {
        "time": now,
        "model": model,
        "rows": len(rows),
        "labelled": len(labelled),
        "reference": training.source,
        "kinds": list(snapshots),
    }
    (folder / f"{name}.json").write_text(json.dumps(about))
    known = "with classification quality" if quality else f"without classification quality ({len(labelled)} labels)"
    return f"report {name}: {len(rows)} rows of {model}, {known}, against {training.source}"


def prune(folder: Path, keep: int) -> None:
    """Remove all reports but the newest ones: each takes megabytes."""
    for old in sorted(folder.glob("*Z.json"))[:-keep]:
        for file in folder.glob(f"{old.stem}*"):
            file.unlink()


def _drift(live: pd.DataFrame, reference: pd.DataFrame) -> Any:
    from evidently import DataDefinition
    from evidently.presets import DataDriftPreset

    flags = [feature.name for feature in FEATURES if isinstance(feature, Flag)]
    numbers = [feature.name for feature in FEATURES if not isinstance(feature, Flag)]
    definition = DataDefinition(
        numerical_columns=[*numbers, _PROBABILITY], categorical_columns=[*flags, _LABEL], id_column=None
    )
    # PSI, as the alerts; its verdict over all columns is not used, it needs half of them to drift.
    return _run([DataDriftPreset(method="psi")], live, reference, definition, [*NAMES, _PROBABILITY, _LABEL])


def _quality(live: pd.DataFrame, reference: pd.DataFrame) -> Any:
    from evidently import BinaryClassification, DataDefinition, MulticlassClassification
    from evidently.presets import ClassificationPreset

    task: Any
    if _K == 2:
        task = BinaryClassification(
            target=_ACTUAL, prediction_labels=_LABEL, prediction_probas=_PROBABILITY, pos_label=CLASSES[-1]
        )
    else:
        task = MulticlassClassification(target=_ACTUAL, prediction_labels=_LABEL)
    definition = DataDefinition(
        classification=[task], categorical_columns=[_ACTUAL, _LABEL], numerical_columns=[_PROBABILITY]
    )
    compared = reference if _ACTUAL in reference else None
    return _run([ClassificationPreset()], live, compared, definition, [_ACTUAL, _LABEL, _PROBABILITY])


def _run(
    presets: list[Any], live: pd.DataFrame, reference: pd.DataFrame | None, definition: Any, columns: list[str]
) -> Any:
    from evidently import Dataset, Report

    def dataset(frame: pd.DataFrame) -> Any:
        return Dataset.from_pandas(frame[columns], data_definition=definition)

    return Report(presets).run(dataset(live), None if reference is None else dataset(reference))
