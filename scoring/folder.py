"""A folder of parts that an interrupted run is taken up again in.

Beside the folder `scored/` lies `scored.state/`: what the run is (`run.json`) and for each part that is done its counts
and where the next one starts (`00000.json`), written after the part itself. Not inside, so that the folder holds
nothing but predictions: Polars refuses a folder of several kinds of files.
"""

import fcntl
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from scoring.job import Job
from scoring.outputs import SUFFIXES, Pair, Rejects
from scoring.places import Place
from scoring.problems import ScoringError
from scoring.progress import Report
from scoring.score import Scored
from scoring.sources import START, Position
from scoring.tally import Tally

_WHAT = {
    "model": "the model",
    "schema": "the schema",
    "keep": "the columns to keep",
    "format": "the format",
    "part_rows": "the rows of a part",
    "inputs": "the input",
}


def state_of(job: Job) -> Place:
    """Return the folder that holds the state of the run."""
    return job.output.sibling(f"{job.output.name}.state")


class Engine(Protocol):
    """A way to get a job done. `report` is told of what is done meanwhile."""

    def one_file(self, job: Job, report: Report) -> Tally:
        """Score everything into one file, from the start."""
        ...

    def parts(self, job: Job, folder: "Folder", report: Report) -> None:
        """Score into a folder the parts that an earlier run did not get to."""
        ...


class Folder:
    """The output folder of a job, with the state of the run beside it.

    Raises:
        ScoringError: the folder holds something else than parts of a run like this one.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._state = state_of(job)
        self._run = self._state.child("run.json")
        present = job.output.names()
        states = self._state.names()
        if "run.json" in states:
            self._same_run(json.loads(self._run.read()))
            self._parts_are_there(present, states)
        elif present:
            raise ScoringError(
                f"{job.output.url} is not empty and {self._state.url}, which would tell whether its files belong to"
                " this run, is not there: name another folder, or remove this one"
            )
        else:
            job.output.make_folder()
            self._state.make_folder()
            self._write_run({})

    @property
    def finished(self) -> Tally | None:
        """The counts of a run that got through earlier."""
        run = json.loads(self._run.read())
        return Tally(**run["tally"]) if "tally" in run else None

    def done(self) -> set[int]:
        """Return the numbers of the parts that are done."""
        return {int(name[:-5]) for name in self._state.names() if name[:-5].isdigit() and name.endswith(".json")}

    def done_before(self) -> tuple[int, int]:
        """Return the rows and the bytes of input behind the parts that are done."""
        records = [self._record(number) for number in self.done()]
        return sum(each["tally"]["rows"] for each in records), sum(each["size"] for each in records)

    def resume(self) -> tuple[int, int, Position, Tally]:
        """Return number, index of the file and position of the first part to make, and the counts of those before."""
        tally, where, number = Tally.empty(self._job.scorer.stored.reference), (0, START), 0
        done = self.done()
        while number in done:
            record = self._record(number)
            tally.add(Tally(**record["tally"]))
            where = (record["file"], Position(*record["end"]))
            number += 1
        return number, *where, tally

    def write(self, number: int, index: int, batches: Iterable[Scored], report: Report) -> None:
        """Write a part, its rejects, and then that both are there.

        Args:
            index: of the part's file in the job.
        """
        job, file = self._job, self._job.files[index]
        tally, end, size = Tally.empty(job.scorer.stored.reference), START, 0
        refused = self._state.child(f"{number:05}.rejects.csv")
        with Pair.of(self._place(number), refused, job.form, job.scorer, header=False) as pair:
            for batch in batches:
                pair.write(file.url, batch)
                tally.add(batch.tally)
                end, size = batch.end, size + batch.size
                report(batch.tally.rows, batch.size)
            pair.commit()
        record = {"tally": tally.to_dict(), "file": index, "end": end, "size": size}
        self._state.child(f"{number:05}.json").write(json.dumps(record).encode())

    def finish(self) -> Tally:
        """Join the rejects of all parts, note that the run is complete and remove what it needed to be resumed."""
        if not self.done():
            self.write(0, 0, [], lambda *_: None)
        number, _, _, tally = self.resume()
        rejects = Rejects(self._job.rejects, self._job.scorer.kept.names)
        try:
            for each in range(number):
                rejects.append(self._state.child(f"{each:05}.rejects.csv").read())
            rejects.finish()
            rejects.commit()
        finally:
            rejects.discard()
        self._write_run({"parts": number, "tally": tally.to_dict()})
        for each in range(number):
            self._state.child(f"{each:05}.json").remove()
            self._state.child(f"{each:05}.rejects.csv").remove()
        return tally

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second run on this machine out of the folder.

        Raises:
            ScoringError: there is one.
        """
        if not self._state.is_local:
            yield
            return
        with Path(self._state.child("lock").path).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ScoringError(f"another run is writing {self._job.output.url}: wait for it to end") from None
            yield

    def _place(self, number: int) -> Place:
        return self._job.output.child(f"part-{number:05}{SUFFIXES[self._job.form]}")

    def _record(self, number: int) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self._state.child(f"{number:05}.json").read())
        return record

    def _write_run(self, more: dict[str, Any]) -> None:
        self._run.write(json.dumps({**self._job.identity, **more}, indent=1).encode())

    def _same_run(self, run: dict[str, Any]) -> None:
        identity = json.loads(json.dumps(self._job.identity))
        other = [what for key, what in _WHAT.items() if run.get(key) != identity[key]]
        if other:
            raise ScoringError(
                f"{self._job.output.url} holds another run, which differs in {' and '.join(other)}:"
                f" name another folder, or remove it and {self._state.url}"
            )

    def _parts_are_there(self, present: set[str], states: set[str]) -> None:
        run = json.loads(self._run.read())
        numbers = range(run["parts"]) if "parts" in run else sorted(self.done())
        gone = [self._place(number).url for number in numbers if self._place(number).name not in present]
        if gone:
            raise ScoringError(
                f"{gone[0]} of an earlier run is gone:"
                f" remove {self._job.output.url} and {self._state.url} to start again"
            )
