"""Ctrl-C and SIGTERM: at once as a rule, and only afterwards where a file is just being opened, named or removed."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_held = 0
_waiting = False
last = signal.SIGINT  # the signal that came


def install() -> None:
    """Turn both signals into KeyboardInterrupt, from now on."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _come)


@contextmanager
def held() -> Iterator[None]:
    """Let no signal interrupt the block: what comes meanwhile comes at its end."""
    global _held, _waiting  # noqa: PLW0603 - a process has one state of signals
    _held += 1
    try:
        yield
    finally:
        _held -= 1
    if _waiting and not _held:
        _waiting = False
        raise KeyboardInterrupt


def _come(number: int, _: FrameType | None) -> None:
    global last, _waiting  # noqa: PLW0603
    last = signal.Signals(number)
    if not _held:
        raise KeyboardInterrupt
    _waiting = True
