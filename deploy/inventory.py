"""Prints what is installed in the container that it runs in, as JSON; needs nothing but Python's standard library."""

import json
import platform
import re
import subprocess
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

_FOLDERS = ("/app", "/usr", "/home", "/opt")
_DPKG = "${Package}\t${Version}\t${Architecture}\n"


def python_distributions() -> list[dict[str, Any]]:
    """Return every distribution of every Python here, also of those that the service does not use."""
    folders = [Path(root).rglob(f"{kind}-packages") for root in _FOLDERS for kind in ("site", "dist")]
    paths = {str(path) for found in folders for path in found}
    unique = {(one.name.lower(), one.version): one for one in distributions(path=sorted(paths))}
    return [{"name": d.name, "version": d.version, "licences": licences(d)} for _, d in sorted(unique.items())]


def licences(distribution: Distribution) -> list[str]:
    """Return what a distribution says: an SPDX expression, else the line `License`, else its classifiers."""
    about = distribution.metadata
    if "License-Expression" in about:
        return [about["License-Expression"]]
    line = about["License"].strip() if "License" in about else ""
    # Some put the whole text there.
    if line and "\n" not in line and len(line) < 80 and line.upper() != "UNKNOWN":
        return [line]
    classifiers = [one for one in about.get_all("Classifier", []) if one.startswith("License ::")]
    return [one.rpartition(" :: ")[2] for one in classifiers if one != "License :: OSI Approved"]


def debian_packages(docs: Path = Path("/usr/share/doc")) -> list[dict[str, Any]]:
    out = subprocess.run(["dpkg-query", "--show", f"--showformat={_DPKG}"], capture_output=True, text=True, check=True)
    return [
        {"name": name, "version": version, "architecture": architecture, "licences": debian_licences(docs / name)}
        for name, version, architecture in (line.split("\t") for line in out.stdout.splitlines())
    ]


def debian_licences(folder: Path) -> list[str]:
    """Return the licences that a package's copyright file names; none if the file is not there or not in that form."""
    try:
        text = (folder / "copyright").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return sorted(set(re.findall(r"^License:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)))


def main() -> None:
    release = platform.freedesktop_os_release()
    print(
        json.dumps(
            {
                "python": platform.python_version(),
                "distribution": {"id": release["ID"], "version": release["VERSION_ID"]},
                "distributions": python_distributions(),
                "packages": debian_packages(),
            }
        )
    )


if __name__ == "__main__":
    main()
