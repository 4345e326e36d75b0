"""What a server takes of the machine: CPU time and memory of its process and everything that it started."""

from contextlib import suppress
from typing import NamedTuple

import psutil


class Memory(NamedTuple):
    """Resident memory in MB: of the largest process, which is the worker, and of all."""

    worker: float
    total: float


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """Return the user and system time that the processes took since they started, in steps of 10 ms."""
    seconds = 0.0
    for process in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


def memory(pid: int) -> Memory:
    sizes = []
    for process in _tree(pid):
        with suppress(psutil.NoSuchProcess):
            sizes.append(process.memory_info().rss / 1e6)
    return Memory(max(sizes), sum(sizes))


def open_files(pid: int) -> int:
    """Return how many descriptors the processes hold: files, sockets, pipes."""
    return sum(process.num_fds() for process in _tree(pid))
