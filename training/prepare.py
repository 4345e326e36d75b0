"""Stage 1: rows from the source that params.yaml names, to data/dataset.csv."""

from pathlib import Path

import pandas as pd

from training import dataset, settings
from training.stage import run, say


def rows(data: settings.Data, folds: int) -> pd.DataFrame:
    """Get the rows from their source.

    Raises:
        TrainingError: they cannot be had or are not valid.
    """
    if data.source == "builtin":
        from training.builtin import synthesize

        return synthesize(data.rows, data.seed)

    # pandas is busy enough: only what a source needs is imported.
    from training.data import read_csv

    if data.source == "kaggle":
        from training.kaggle import fetch

        return read_csv(fetch(data.kaggle), folds)
    return read_csv(Path(data.path), folds)


def main() -> None:
    params = settings.load()
    frame = rows(params.data, params.train.folds)
    dataset.write(frame)
    say(f"prepare: {len(frame):,} rows from {params.data.path} ({params.data.source})")


if __name__ == "__main__":
    run(main)
