"""What can go wrong with somebody's files, as one sentence."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

# The libraries behind object storage raise their own errors, which derive from nothing in common.
_STORAGE = {"adlfs", "aiobotocore", "aiohttp", "azure", "botocore", "fsspec", "gcsfs", "google", "s3fs"}
_WORDS = {
    errno.ENOSPC: "no space is left there",
    errno.EDQUOT: "the quota is used up",
    errno.EACCES: "permission denied",
    errno.EROFS: "it is on a read-only file system",
    errno.ENOENT: "it does not exist",
}


class ScoringError(Exception):
    """Files cannot be scored as asked. The message is one sentence that names the file."""


@contextmanager
def telling(what: str) -> Iterator[None]:
    """Turn errors of files, formats and storage into a ScoringError: `what`, a colon and the reason."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise ScoringError(f"{what}: {reason(error)}") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _STORAGE:
            raise
        raise ScoringError(f"{what}: {reason(error)}") from error


def reason(error: Exception) -> str:
    """Return the first line of what an error says, in plain words where there are some."""
    number = getattr(error, "errno", None)
    if number in _WORDS:
        return _WORDS[number]
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).strip().splitlines()[0].rstrip(".")
