"""Scoring on this machine: reading, scoring and writing at the same time, each in a thread of its own.

The work is done by Arrow and numpy, which let other threads run meanwhile, so that both cores are busy.
"""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import NamedTuple, TypeVar

from scoring.folder import Folder
from scoring.inputs import Input
from scoring.job import Job, opened
from scoring.outputs import Pair
from scoring.progress import Report
from scoring.score import Scored
from scoring.sources import START, Position
from scoring.tally import Tally
from serving.schema import NAMES

T = TypeVar("T")
AHEAD = 2  # batches that wait between two threads


class _End(NamedTuple):
    error: BaseException | None


def ahead(items: Iterable[T]) -> Generator[T, None, None]:
    """Run an iterator in a thread that is a few items ahead. Its errors are raised here; leaving early stops it."""
    queue: Queue[T | _End] = Queue(AHEAD)
    stopped = Event()

    def put(item: T | _End) -> None:
        while not stopped.is_set():
            with suppress(Full):
                queue.put(item, timeout=0.1)
                return

    def run() -> None:
        end = _End(None)
        try:
            for item in items:
                put(item)
                if stopped.is_set():
                    break
        except BaseException as error:
            end = _End(error)
        put(end)

    thread = Thread(target=run, daemon=True)
    thread.start()
    try:
        while not isinstance(item := _next(queue), _End):
            yield item
        if item.error:
            raise item.error
    finally:
        stopped.set()
        thread.join()


def _next(queue: "Queue[T]") -> T:
    while True:  # with a timeout, so that Ctrl-C gets through on every system
        with suppress(Empty):
            return queue.get(timeout=1)


def scored(job: Job, file: Input, start: Position = START) -> Generator[Scored, None, None]:
    """Yield what became of a file's batches, from a part's start on."""
    scorer = job.scorer
    with opened(file, job.part_rows) as source:
        batches = source.batches(scorer.columns, len(NAMES), start)
        # Closed in the opposite order: no thread may outlive what it reads from.
        with closing(ahead(batches)) as read, closing(ahead(map(scorer.score, read))) as done:
            yield from done


class Local:
    """The engine of one machine."""

    def one_file(self, job: Job, report: Report) -> Tally:
        total = Tally.empty(job.scorer.stored.reference)
        with Pair.of(job.output, job.rejects, job.form, job.scorer) as pair:
            for file in job.files:
                for batch in scored(job, file):
                    pair.write(file.url, batch)
                    total.add(batch.tally)
                    report(batch.tally.rows, batch.size)
            pair.commit()
        return total

    def parts(self, job: Job, folder: Folder, report: Report) -> None:
        number, first, start, _ = folder.resume()
        for index, file in enumerate(job.files[first:], first):
            with closing(scored(job, file, start)) as batches:
                for part in by_part(batches):
                    folder.write(number, index, part, report)
                    number += 1
            start = START


def by_part(batches: Iterator[Scored]) -> Iterator[Iterator[Scored]]:
    """Group the batches of a file into parts. Each group must be used up before the next."""
    for first in batches:
        yield _part(first, batches)


def _part(batch: Scored, more: Iterator[Scored]) -> Iterator[Scored]:
    yield batch
    while not batch.ends_part:
        following = next(more, None)
        if following is None:
            return
        batch = following
        yield batch
