"""Which files INPUT means, and what each of them is."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from scoring.places import Place
from scoring.problems import ScoringError, telling

FORMATS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".feather": "arrow"}
KNOWN = "expected .csv, .parquet, .arrow or .feather"


@dataclass(frozen=True)
class Input:
    """A file to score. `size` in bytes; `version` changes when the file does: its time or, in object storage, ETag."""

    place: Place
    format: str
    size: int
    version: str

    @property
    def url(self) -> str:
        return self.place.url


def format_of(path: str) -> str | None:
    """Return the format that a file's name claims, None for a name that claims none."""
    return FORMATS.get(PurePosixPath(path).suffix.lower())


def find(url: str) -> list[Input]:
    """List the files of a path, folder, glob or URL, ordered by path.

    A folder means the files of the known formats in it and in its folders; names that begin with a dot or underscore
    are left out, as Spark and Arrow do.

    Raises:
        ScoringError: there are none, or the place cannot be reached.
    """
    place = Place.of(url)
    info = place.info()
    if info and info["type"] == "file":
        return [_input(place, info)]
    with telling(f"{place.url} cannot be listed"):
        if info:
            found = place.fs.find(place.path, detail=True)
            wanted = {path: info for path, info in found.items() if _visible(path, place.path) and format_of(path)}
            if not wanted:
                raise ScoringError(f"{place.url} has no files to score: {KNOWN}")
        elif any(mark in place.path for mark in "*?["):
            found = place.fs.glob(place.path, detail=True)
            wanted = {path: info for path, info in found.items() if info["type"] == "file"}
            if not wanted:
                raise ScoringError(f"no file is like {place.url}")
        else:
            raise ScoringError(f"{place.url} does not exist")
    return [_input(Place(place.fs, path, _shown(place, path)), wanted[path]) for path in sorted(wanted)]


def _visible(path: str, root: str) -> bool:
    return not any(part.startswith((".", "_")) for part in path.removeprefix(root).split("/"))


def _shown(place: Place, path: str) -> str:
    """Return a found path as its user would write it."""
    return path if place.is_local else str(place.fs.unstrip_protocol(path))


def _input(place: Place, info: dict[str, Any]) -> Input:
    found = format_of(place.path)
    if found is None:
        raise ScoringError(f"{place.url} has a name that tells no format: {KNOWN}")
    version = next(
        (str(info[key]) for key in ("ETag", "etag", "mtime", "LastModified", "created") if info.get(key)), ""
    )
    return Input(place, found, int(info["size"] or 0), version)
