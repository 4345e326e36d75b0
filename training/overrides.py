"""Changes tracked files for the time of a run and puts them back, byte for byte, however the run ends."""

import fcntl
import json
import signal
import sys
from collections.abc import Iterable, Iterator
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


def _write(path: Path, content: bytes | None) -> None:
    """Write a file, whole or not at all; without a content it goes away."""
    if content is None:
        path.unlink(missing_ok=True)
    else:
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_bytes(content)
        unfinished.replace(path)


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


@contextmanager
def restored(path: Path, content: bytes | None = None) -> Iterator[None]:
    """Put a file back as it was, or away if it was not there.

    Args:
        content: what the file holds meanwhile. If it holds anything else at the end, it was edited and is left alone.
    """
    before = _read(path)
    if content is not None:
        _write(path, content)
    try:
        yield
    finally:
        after = _read(path)
        if content is not None and after != content:
            say(f"{path.name} was edited during the run, so it is not put back: look at it")
        elif after != before:
            _write(path, before)


def _journal(root: Path) -> Path:
    return root / ".dvc" / "tmp" / "training.json"


@contextmanager
def remembered(root: Path, changed: Path, content: bytes, others: Iterable[Path]) -> Iterator[None]:
    """Keep what `recover` needs if this run is killed before it can put files back.

    Args:
        changed: a file that is about to hold `content`.
        others: files that the run writes too.
    """
    before = {path.name: found.decode() if (found := _read(path)) is not None else None for path in (changed, *others)}
    _write(_journal(root), json.dumps({"name": changed.name, "content": content.decode(), "before": before}).encode())
    try:
        yield
    finally:
        _journal(root).unlink()


def recover(root: Path) -> None:
    """Put back what a run that was killed has changed, unless somebody has edited it since."""
    journal = _journal(root)
    if not journal.exists():
        return
    noted = json.loads(journal.read_bytes())
    if _read(root / noted["name"]) == noted["content"].encode():
        for name, before in noted["before"].items():
            _write(root / name, before if before is None else before.encode())
        say(f"the last run was killed: {' and '.join(noted['before'])} are put back as they were before it")
    journal.unlink()


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
