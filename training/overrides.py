"""Changes tracked files for the time of a run and puts them back, byte for byte, however the run ends."""

import fcntl
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from training.stage import TrainingError, say


@contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Keep a second run out: it would take this one's override for the file to put back.

    Raises:
        TrainingError: another run is going on.
    """
    lock = root / ".dvc" / "tmp" / "training.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError("another training run is going on in this folder: wait for it to end") from None
        yield


@contextmanager
def restored(path: Path, content: bytes | None = None) -> Iterator[None]:
    """Put a file back as it was, or away if it was not there.

    Args:
        content: what the file holds meanwhile. If it holds anything else at the end, it was edited and is left alone.
    """
    before = path.read_bytes() if path.exists() else None
    if content is not None:
        path.write_bytes(content)
    try:
        yield
    finally:
        after = path.read_bytes() if path.exists() else None
        if content is not None and after != content:
            say(f"{path.name} was edited during the run, so it is not put back: look at it")
        elif before is None:
            path.unlink(missing_ok=True)
        elif after != before:
            path.write_bytes(before)


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that `finally` runs."""

    def stop(number: int, _: object) -> None:
        sys.exit(128 + number)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def with_source(params: bytes, source: str, path: Path) -> bytes:
    """Return params.yaml with the data's source and path changed. Comments are lost, which is why it is temporary."""
    values = yaml.safe_load(params)
    values["data"] |= {"source": source, "path": str(path)}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode()
