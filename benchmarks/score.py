"""How fast `model.score` is by itself, run in our own environment: `python -m benchmarks.score ROWS.npy`."""

import sys
import time
from pathlib import Path

import numpy as np

from serving import store

_SECONDS = 1.0


def main(file: Path) -> None:
    """Print how many rows it scores a second, all of the file's at a time."""
    rows = np.load(file)
    model = store.load().model
    end = time.perf_counter() + _SECONDS
    taken = []
    while (start := time.perf_counter()) < end:
        model.score(rows)
        taken.append(time.perf_counter() - start)
    print(len(rows) / float(np.median(taken)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
