"""The bar that a person in front of a terminal sees: rows, rows a second, time left."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from tqdm import tqdm

Report = Callable[[int, int], None]  # is told of rows, and of bytes of input, that are done


class Progress:
    """A progress bar on stderr if that is a terminal.

    Args:
        rows: of the whole input. If only reading tells, the rows and bytes done so far foretell it.
        size: of the whole input, in bytes.
    """

    def __init__(self, rows: int | None, size: int, *, quiet: bool = False) -> None:
        self._rows, self._size = rows, size
        self._done = 0
        self._bar = tqdm(total=rows, unit=" rows", unit_scale=True, disable=quiet or None)

    def skip(self, rows: int, size: int) -> None:
        """Note the rows and bytes that an earlier run did."""
        self._bar.initial = self._bar.n = rows
        self._done = size

    def report(self, rows: int, size: int) -> None:
        self._done += size
        if self._rows is None and self._done:
            self._bar.total = int((self._bar.n + rows) * max(self._size / self._done, 1))
        self._bar.update(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._rows is None:
            self._bar.total = self._bar.n  # what was foretold misses by a header or so
        self._bar.close()
