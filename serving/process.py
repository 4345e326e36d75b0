"""What a worker asks of Python and of the C library once, when everything is imported."""

import ctypes
import gc
import logging
import sys

# Objects made before the collector looks at them; Python's own number is 700, a few requests' worth.
_YOUNG = 10_000
# From glibc's malloc.h, and more than what the largest request allocates at a time.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 16 * 2**20


# Python's own is 5 ms: as long as the thread that writes the log may keep a request waiting, again and again.
_SWITCH_SECONDS = 0.0005


def tune() -> None:
    _spare_the_collector()
    _keep_memory()
    sys.setswitchinterval(_SWITCH_SECONDS)
    # Uvicorn would put a line together for every request, which BentoML then drops: ours is BentoML's own access log.
    logging.getLogger("uvicorn.access").propagate = False


def _spare_the_collector() -> None:
    """Let garbage collection look at what requests leave only, and not at 100 MB of modules every time, for 100 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 50, 100)


def _keep_memory() -> None:
    """Let glibc keep a few MB for the next bulk request: to give them back and fetch them again is a third of its cost.

    Other C libraries have no `mallopt`, or ignore it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
