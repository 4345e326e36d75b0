"""`make bench-scoring`: scoring of files against a polars script that somebody would write by hand for the same files.

The script knows the model's parameters and does nothing else: no rules, no rejects, no summary, no verified model. Each
program runs alone, in turns, as a process of its own. Every number comes from the operating system: wall clock and CPU
from start to end of the process, imports included, and its peak memory. `job` leaves the start out: the program counts
it from the first look at the input to the finished output, when the model and the libraries are there.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from serving import store
from serving.schema import CLASSES, FEATURES, NAMES, Flag

CHUNK = 1_000_000


class Measured(NamedTuple):
    """One run: seconds of the job, of the process and of CPU; peak memory in MB."""

    job: float
    wall: float
    cpu: float
    memory: float


def make_rows(path: Path, n: int) -> None:
    """Write n rows with an id, drawn from the schema's class-wise statistics on the grid of the measurement."""
    with pq.ParquetWriter(path, _rows(1, 0).schema) as writer:
        for start in range(0, n, CHUNK):
            writer.write_table(_rows(min(CHUNK, n - start), start))


def _rows(n: int, start: int) -> pa.Table:
    random = np.random.default_rng(start)
    of = random.integers(0, len(CLASSES), n)
    columns: dict[str, np.ndarray] = {"id": np.arange(start, start + n)}
    for feature in FEATURES:
        if isinstance(feature, Flag):
            columns[feature.name] = (random.random(n) < np.array(feature.by_class)[of]).astype(np.int64)
        else:
            mean, deviation = np.array(feature.by_class)[of].T
            grid = np.round(random.normal(mean, deviation) / feature.step) * feature.step
            columns[feature.name] = grid.clip(*feature.typical).round(6)
    return pa.table(columns)


def known() -> str:
    """Return the model's parameters as JSON."""
    stored = store.load()
    with np.load(stored.path / "parameters.npz", allow_pickle=False) as file:
        prior, mean, var = file["log_prior"], file["mean"], file["var"]
    return json.dumps(
        {
            "features": NAMES,
            "classes": CLASSES,
            "constant": (prior - 0.5 * np.log(2 * np.pi * var).sum(axis=1)).tolist(),
            "mean": mean.tolist(),
            "half_precision": (0.5 / var).tolist(),
            "outlier_below": stored.reference.outlier_below,
        }
    )


def measure(command: list[str]) -> Measured:
    """Run a program and ask the operating system what it took. Children of children, as Ray's, are not in it."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    if status:
        sys.exit(f"error: {' '.join(command)} ended with {os.waitstatus_to_exitcode(status)}")
    job = re.search(r" in ([\d.]+) s", said)
    assert job
    return Measured(float(job[1]), wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def difference(one: Path, other: Path) -> float:
    """Return the largest difference of a probability. Ids, labels, outlier flags and order must be equal."""
    columns = [f"probability_{name}" for name in CLASSES]
    worst, same = 0.0, pa.schema([("id", pa.int64()), ("label", pa.string()), ("outlier", pa.bool_())])
    files = [pq.ParquetFile(path) for path in (one, other)]
    assert files[0].metadata.num_rows == files[1].metadata.num_rows
    # Batches of two files do not end at the same rows, tables of a slice do.
    tables = [file.read() for file in files]
    for start in range(0, files[0].metadata.num_rows, CHUNK):
        a, b = (table.slice(start, CHUNK) for table in tables)
        assert a.select(same.names).cast(same).equals(b.select(same.names).cast(same)), "the answers differ"
        worst = max(worst, *(float(np.abs(a[name].to_numpy() - b[name].to_numpy()).max()) for name in columns))
    return worst


def main() -> None:
    """Measure in turns and print a table."""
    parser = argparse.ArgumentParser("python -m benchmarks.scoring", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000, help="10000000")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program, of which the best counts (3)")
    parser.add_argument("--ray", action="store_true", help="Ray on this machine, too")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-scoring-") as name:
        folder = Path(name)
        source, ours, theirs = (folder / f"{name}.parquet" for name in ("in", "scoring", "polars"))
        make_rows(source, asked.rows)
        score = [sys.executable, "-m", "scoring", str(source), "--keep", "id", "--quiet"]
        programs = {
            "polars by hand": [sys.executable, "-m", "benchmarks.polars_by_hand", str(source), str(theirs), known()],
            "scoring": [*score, str(ours)],
        }
        if asked.ray:
            programs["scoring --engine ray"] = [*score, str(folder / "parts/"), "--engine", "ray"]
        took: dict[str, list[Measured]] = {program: [] for program in programs}
        for _ in range(asked.rounds):
            for program, command in programs.items():
                shutil.rmtree(folder / "parts", ignore_errors=True)
                shutil.rmtree(folder / "parts.state", ignore_errors=True)
                took[program].append(measure(command))
        print(f"{asked.rows:,} rows of Parquet, {os.cpu_count()} cores, best of {asked.rounds}")
        print(f"{'':22}{'job s':>8}{'process s':>11}{'CPU s':>8}{'MB':>7}")
        best = {program: Measured(*map(min, zip(*runs, strict=True))) for program, runs in took.items()}
        for program, least in best.items():
            print(f"{program:22}{least.job:8.2f}{least.wall:11.2f}{least.cpu:8.2f}{least.memory:7.0f}")
        job, wall, cpu, _ = np.array(best["scoring"]) / np.array(best["polars by hand"])
        print(f"scoring / polars by hand: job {job:.2f}, process {wall:.2f}, CPU {cpu:.2f}")
        print(f"largest difference of a probability: {difference(ours, theirs):.1e}")


if __name__ == "__main__":
    main()
