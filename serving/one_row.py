"""The usual request of the Open Inference Protocol: one row, read without an array."""

from collections.abc import Sequence
from struct import Struct
from typing import Any, Generic, TypeVar

from serving.rows import is_right
from serving.schema import NAMES
from serving.tensors import INPUT, Head

# d values
OneRow = tuple[float, ...]
_ONE = [Head(INPUT, "FP64", [1, len(NAMES)])]
_ONE_RAW = Struct(f"<{len(NAMES)}d")
_NUMBERS = frozenset({int, float})
ROW_BYTES = _ONE_RAW.size
# How many heads of requests are remembered, and how long one may be.
_HEADS, _LONGEST_HEAD = 256, 1024

T = TypeVar("T")


def one_raw(heads: Sequence[Head], raw: bytes | memoryview) -> OneRow | None:
    """Read the usual request for one row, without an array. None leaves the others, and what is wrong, to `to_rows`."""
    if heads != _ONE or len(raw) != _ONE_RAW.size:
        return None
    row: OneRow = _ONE_RAW.unpack(raw)
    return row if is_right(row) else None


def one_list(heads: Sequence[Head], data: Any) -> OneRow | None:
    """As `one_raw`, out of JSON."""
    if heads != _ONE or type(data) is not list or len(data) != len(NAMES) or not _NUMBERS.issuperset(map(type, data)):
        return None
    return tuple(map(float, data)) if is_right(data) else None


class Seen(Generic[T]):
    """What was read in the heads of requests for one row in raw bytes, by the heads' own bytes.

    Clients repeat them: only the row, which comes last, is another one each time. So a head is decoded and checked
    once, and the same bytes mean the same the next time.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, T] = {}

    def read(self, message: bytes) -> tuple[T, OneRow] | None:
        """Return what the head says, and the row. None leaves an unknown head, and a wrong row, to the long way."""
        head = self._heads.get(message[:-ROW_BYTES])
        if head is None:
            return None
        row: OneRow = _ONE_RAW.unpack_from(message, len(message) - ROW_BYTES)
        return (head, row) if is_right(row) else None

    def keep(self, message: bytes, head: T) -> None:
        """Remember the head of a message that ends with its row and was found to be right."""
        if len(message) - ROW_BYTES <= _LONGEST_HEAD:
            if len(self._heads) >= _HEADS:
                # Clients that make heads up anew each time gain nothing, and take nothing.
                self._heads.clear()
            self._heads[message[:-ROW_BYTES]] = head
