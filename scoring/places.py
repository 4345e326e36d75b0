"""Where files are: on this machine or in object storage, by fsspec URL. New files appear whole or not at all."""

import fcntl
import io
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from scoring.interrupts import held
from scoring.problems import ScoringError, telling


@dataclass(frozen=True)
class Place:
    """A path in a file system. `url` is what its user calls it."""

    fs: AbstractFileSystem
    path: str
    url: str

    @classmethod
    def of(cls, url: str) -> Self:
        """Find the file system that a path or a URL means.

        Raises:
            ScoringError: no installed file system knows the URL.
        """
        if "://" not in url:
            url = str(Path(url).expanduser())
        try:
            fs, path = url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise ScoringError(f"{url} cannot be opened: {error}") from error
        return cls(fs, path.rstrip("/"), url.rstrip("/") or "/")

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, LocalFileSystem)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def child(self, name: str) -> "Place":
        return Place(self.fs, f"{self.path}/{name}", f"{self.url}/{name}")

    def sibling(self, name: str) -> "Place":
        """Return the place of another name in the same folder."""
        folder, slash, own = self.path.rpartition("/")
        if not own or not folder:
            raise ScoringError(f"{self.url} is no place for results: name a file or a folder in it")
        shown, shown_slash, _ = self.url.rpartition("/")
        return Place(self.fs, f"{folder}{slash}{name}", f"{shown}{shown_slash}{name}")

    def info(self) -> dict[str, Any] | None:
        """Return what fsspec knows about the file or folder, None if there is nothing.

        `isfile`, `isdir` and `exists` are no help: they take a bucket that cannot be reached for one that is not there.
        """
        with telling(f"{self.url} cannot be reached"):
            try:
                found: dict[str, Any] = self.fs.info(self.path)
            except FileNotFoundError:
                return None
            return found

    def is_folder(self) -> bool:
        return (self.info() or {}).get("type") == "directory"

    def names(self) -> set[str]:
        """Return the names in this folder; none if there is no folder."""
        with telling(f"{self.url} cannot be listed"):
            self.fs.invalidate_cache()
            try:
                return {str(path).rstrip("/").rpartition("/")[2] for path in self.fs.ls(self.path, detail=False)} - {""}
            except FileNotFoundError:
                return set()

    def make_folder(self) -> None:
        # Object storage has no folders, and making one could make a bucket.
        if self.is_local:
            with telling(f"{self.url} cannot be made"):
                Path(self.path).mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        with telling(f"{self.url} cannot be removed"), suppress(FileNotFoundError):
            self.fs.rm(self.path, recursive=True)

    def read(self) -> bytes:
        with telling(f"{self.url} cannot be read"):
            content: bytes = self.fs.cat_file(self.path)
            return content

    def write(self, content: bytes) -> None:
        """Write a small file whole or not at all."""
        new = NewFile(self)
        try:
            with telling(f"{self.url} cannot be written"):
                new.write(content)
            new.commit()
        finally:
            new.discard()


class NewFile(io.BufferedIOBase):
    """A file that appears under its name when it is committed, and never before.

    On this machine it grows under a hidden name in the same folder, locked, so that a second run for the same file is
    refused and one that was killed leaves nothing that the next does not take over. In object storage it is a
    multipart upload that is completed or aborted.

    Raises:
        ScoringError: it cannot be written.
    """

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place
        self._hidden = Path(place.path).with_name(f".{place.name}.unfinished")
        self._file: Any = None
        with held(), telling(f"{place.url} cannot be written"):
            self._file = self._locked() if place.is_local else place.fs.open(place.path, "wb", autocommit=False)
            _unfinished.add(self)

    def _locked(self) -> IO[bytes]:
        if Path(self._place.path).is_dir():
            raise ScoringError(f"{self._place.url} is a folder, not a file")
        while True:
            file = self._hidden.open("ab")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise ScoringError(f"another run is writing {self._place.url}: wait for it to end") from None
            # Between the two calls another run may have committed this very file.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), self._hidden.stat()):
                    file.truncate(0)
                    return file
            file.close()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        """Add to the file. After the end it does nothing: writers add a last word when they are closed or collected."""
        if self._file is not None:
            self._file.write(content)
        return memoryview(content).nbytes

    def flush(self) -> None:
        """Hand over what is buffered, so that a full disk shows before the file is committed."""
        if self._file is not None and self._place.is_local:
            self._file.flush()

    def commit(self) -> None:
        """Finish the file and give it its name."""
        with held(), telling(f"{self._place.url} cannot be written"):
            if self._place.is_local:
                self._file.flush()
                self._hidden.replace(self._place.path)
                self._file.close()
            else:
                self._file.close()
                self._file.commit()
                self._place.fs.invalidate_cache()
            self._file = None
            _unfinished.discard(self)

    def discard(self) -> None:
        """Leave nothing behind, unless the file was committed."""
        with held():
            file, self._file = self._file, None
            _unfinished.discard(self)
            if file is None:
                return
            if self._place.is_local:
                self._hidden.unlink(missing_ok=True)
                with suppress(OSError):  # what is still buffered does not fit either
                    file.close()
            else:
                with suppress(Exception):  # the storage may be gone, and what is wrong with it was told
                    file.discard()
                # What is collected while it is open would be uploaded after all.
                file.closed = True


# A signal can come between opening a file and the block that would discard it.
_unfinished: set[NewFile] = set()


def discard_all() -> None:
    """Leave nothing behind of any file in the making."""
    for file in list(_unfinished):
        file.discard()
