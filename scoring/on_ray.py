"""Scoring on Ray Data: each part is one item that some process of the cluster reads, scores and writes by itself.

The driver sends positions and gets counts back, never rows, so it is no bottleneck; in return every machine must reach
input and output by the same path: object storage, or a folder they all mount. The model travels from the driver, which
verified it, so that the other machines need no model store.
"""

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from scoring.folder import Folder, state_of
from scoring.inputs import Input
from scoring.job import Job, opened
from scoring.local import by_part, scored
from scoring.outputs import Predictions
from scoring.problems import ScoringError, reason
from scoring.progress import Report
from scoring.sources import Position
from scoring.tally import Tally

ROOT = Path(__file__).resolve().parents[1]


class OnRay:
    """The engine of a Ray cluster.

    Args:
        address: of the cluster's head, `auto` for the one on this machine; empty starts Ray for this run alone.

    Raises:
        ScoringError: a part could not be made, or the cluster cannot be reached.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def one_file(self, job: Job, report: Report) -> Tally:
        """Score into a hidden folder of parts, then join them."""
        between = replace(job, output=job.output.sibling(f".{job.output.name}.parts"), form="arrow", is_folder=True)
        state = state_of(between)
        between.output.remove()
        state.remove()
        try:
            folder = Folder(between)
            self.parts(between, folder, report)
            tally = folder.finish()
            _join(job, between)
        finally:
            between.output.remove()
            state.remove()
        return tally

    def parts(self, job: Job, folder: Folder, report: Report) -> None:
        done = folder.done()
        plan = [item for item in _plan(job) if item["number"] not in done]
        if not plan:
            return
        with _ray(self._address) as ray:
            # A block for each part, so that every part is a task of its own.
            dataset = ray.data.from_items(plan, override_num_blocks=len(plan)).map(_make, fn_args=(folder, job))
            for made in dataset.iter_rows():
                if made["error"]:
                    raise ScoringError(made["error"])
                report(made["rows"], made["size"])


def _plan(job: Job) -> Iterator[dict[str, Any]]:
    number = 0
    for index, file in enumerate(job.files):
        with opened(file, job.part_rows) as source:
            for start in source.starts():
                yield {"number": number, "index": index, "start": list(start)}
                number += 1


def _make(item: dict[str, Any], folder: Folder, job: Job) -> dict[str, Any]:
    """Make one part, in whatever process Ray chose."""
    made: dict[str, Any] = {"rows": 0, "size": 0, "error": ""}

    def report(rows: int, size: int) -> None:
        made["rows"] += rows
        made["size"] += size

    try:
        with closing(scored(job, job.files[item["index"]], Position(*item["start"]))) as batches:
            folder.write(item["number"], item["index"], next(by_part(batches)), report)
    except ScoringError as error:
        made["error"] = str(error)
    return made


def _join(job: Job, between: Job) -> None:
    scorer = job.scorer
    predictions = Predictions(job.output, job.form, scorer.schema)
    try:
        for name in sorted(between.output.names()):
            place = between.output.child(name)
            with opened(Input(place, "arrow", int((place.info() or {})["size"]), ""), job.part_rows) as source:
                for batch in source.batches(scorer.schema.names, 0, Position()):
                    predictions.write(batch.table.cast(scorer.schema))
        predictions.finish()
        predictions.commit()
    finally:
        predictions.discard()


def _knock(address: str) -> None:
    """Ray itself would try an address where nothing listens for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        except OSError as error:
            raise ScoringError(f"there is no Ray cluster at {address}: {reason(error)}") from error


@contextmanager
def _ray(address: str) -> Iterator[Any]:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # it reports to nobody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # the news of which is a warning
    try:
        import ray
        import ray.data
    except ImportError:
        raise ScoringError("Ray is not installed: `python3 requirements/install.py scale` installs it") from None
    if address:
        _knock(address)
    # On a cluster the code travels too; alone, the workers find it where the driver did.
    modules = {"py_modules": [str(ROOT / "serving"), str(ROOT / "scoring")]} if address else {}
    try:
        ray.init(
            address=address or "local",
            runtime_env=modules,
            include_dashboard=None if address else False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        raise ScoringError(f"there is no Ray cluster at {address or 'this machine'}: {error}") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield ray
    finally:
        ray.shutdown()
