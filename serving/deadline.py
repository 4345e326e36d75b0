"""A limit to how long something waits, with one timer for all.

`asyncio.timeout` makes one for each, which costs 8 us: a tenth of a request.
"""

import asyncio
from types import TracebackType

_LOOKS = 30  # in the time of one wait


class Deadline:
    """`with` it around what must not wait longer than so many seconds, give or take a thirtieth.

    Raises:
        TimeoutError: out of the block, when the time is over.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[asyncio.Task[object], float] = {}
        self._late: set[asyncio.Task[object]] = set()
        self._looking = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        self._until[_current_task()] = loop.time() + self._seconds
        if not self._looking:
            self._looking = True
            loop.call_later(self._seconds / _LOOKS, self._look, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        task = _current_task()
        del self._until[task]
        if task in self._late:
            self._late.remove(task)
            # Cancelled by us alone, and not because the server ends: then it is no cancellation any more.
            if task.uncancel() == 0 and kind is asyncio.CancelledError:
                raise TimeoutError from error

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, until in self._until.items():
            if until < now and task not in self._late:
                self._late.add(task)
                task.cancel()
        self._looking = bool(self._until)
        if self._looking:
            loop.call_later(self._seconds / _LOOKS, self._look, loop)


def _current_task() -> asyncio.Task[object]:
    task = asyncio.current_task()
    assert task is not None
    return task
