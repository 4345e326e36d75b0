"""Prints what CHANGELOG.md says of a version, for the text of its release: python deploy/notes.py v1.2.3."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def notes(version: str, root: Path = ROOT) -> str:
    """Return the version's section of CHANGELOG.md, without its heading.

    Raises:
        SystemExit: there is none, it is empty or unreleased, or pyproject.toml has another version.
    """
    number = version.removeprefix("v")
    declared = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if number != declared:
        sys.exit(f"error: the tag says {version or 'nothing'} and pyproject.toml says {declared}: make them one")
    for section in re.split(r"^## ", (root / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        if re.split(r"[,\s]", heading)[0].strip("[]") == number:
            if "unreleased" in heading.lower():
                sys.exit(f"error: CHANGELOG.md calls {number} unreleased: write the date there, then tag")
            return text.strip() or sys.exit(f"error: CHANGELOG.md says nothing of {number} below its heading")
    sys.exit(f"error: CHANGELOG.md has no section of {number}: a line as `## {number}, 2026-01-31` begins it")


if __name__ == "__main__":
    print(notes(sys.argv[1]))
