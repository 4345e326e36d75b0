"""The prepared data set as the later stages see it: one file, one order of columns, classes as numbers."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.schema import CLASSES, NAMES, TARGET

PATH = Path("data/dataset.csv")


@dataclass(frozen=True, slots=True)
class Dataset:
    """n rows.

    Args:
        features: float64 [n, d], columns in the schema's order. Flags are floats too, as the server has them.
        codes: int [n], index into `CLASSES`.
    """

    features: pd.DataFrame
    codes: NDArray[np.intp]

    def split(self, share: float) -> tuple["Dataset", "Dataset"]:
        """Return the rows to train on and the hold-out, about that share of the distinct rows.

        A row's own content decides, so equal rows stay together, and a row stays where it was when others come.
        """
        drawn = pd.util.hash_pandas_object(self.features, index=False).to_numpy() / 2.0**64
        held = drawn < share
        return self._where(~held), self._where(held)

    def _where(self, chosen: NDArray[np.bool_]) -> "Dataset":
        return Dataset(self.features[chosen].reset_index(drop=True), self.codes[chosen])

    @property
    def groups(self) -> NDArray[np.intp]:
        """Number the rows, int [n], such that rows with equal features share a number."""
        return np.array(self.features.groupby(list(NAMES), sort=False).ngroup(), dtype=np.intp)


def read(path: Path = PATH) -> Dataset:
    frame = pd.read_csv(path, dtype=dict.fromkeys(NAMES, "float64"))
    codes = np.array(pd.Categorical(frame[TARGET], categories=list(CLASSES)).codes, dtype=np.intp)
    return Dataset(frame[list(NAMES)], codes)


def write(frame: pd.DataFrame, path: Path = PATH) -> None:
    """Write the rows, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    try:
        frame.to_csv(unfinished, index=False, columns=[*NAMES, TARGET], lineterminator="\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def sha256(path: Path = PATH) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
