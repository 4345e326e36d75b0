"""Starting and stopping programs as a user does in a terminal."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil


@contextmanager
def started(
    command: Sequence[str | Path], cwd: Path, env: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program in a process group of its own, as a terminal does; what is left of it at the end is killed.

    Args:
        log: file that takes what it prints.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            stop(process, signal.SIGKILL)


def stop(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGINT) -> list[psutil.Process]:
    """Send a signal to the program's process group; SIGINT is what Ctrl-C sends.

    Returns:
        what still runs ten seconds later, descendants with sessions of their own included. It is killed then.
    """
    # Listed first: a child that outlives its parent is nobody's descendant any more.
    everyone = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    os.killpg(process.pid, number)
    left: list[psutil.Process]
    _, left = psutil.wait_procs(everyone, timeout=0 if number == signal.SIGKILL else 10)
    for one in left:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait()
    return left


def fresh_terminal(**variables: str) -> dict[str, str]:
    """Return the environment as make does not change it, also where make runs the tests."""
    made = {"MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS"}
    return {name: value for name, value in os.environ.items() if name not in made} | variables
