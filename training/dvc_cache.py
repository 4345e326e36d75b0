"""A file by its content address, from DVC's cache or its remote."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from training.stage import TrainingError


def fetch(md5: str, to: Path, root: Path) -> None:
    """Get a file that DVC has tracked at some time, in this clone or in one that has pushed it.

    Whatever commit tracked it: a .dvc file of a project for this purpose names it, with the configuration of `root`.

    Raises:
        TrainingError: neither the cache nor the remote has it.
    """
    with TemporaryDirectory() as name:
        project = Path(name)
        _dvc(project, "init", "--no-scm", "--quiet")
        (project / ".dvc" / "config.local").write_text(_configuration(root))
        out = {"md5": md5, "hash": "md5", "path": to.name}
        (project / f"{to.name}.dvc").write_text(yaml.safe_dump({"outs": [out]}))
        pulled = _dvc(project, "pull", "--quiet", f"{to.name}.dvc")
        file = project / to.name
        if not file.is_file():
            why = " ".join(pulled.stderr.split())[:300] or "no reason given"
            raise TrainingError(f"the data of md5 {md5} is neither in DVC's cache nor in its remote ({why})")
        to.write_bytes(file.read_bytes())


def _configuration(root: Path) -> str:
    """Return the remotes and the cache of a project as its users have them, relative paths resolved."""
    sections: dict[str, list[str]] = {"cache": [f"dir = {_dvc(root, 'cache', 'dir').stdout.strip()}"]}
    for line in _dvc(root, "config", "--list").stdout.splitlines():
        name, _, value = line.partition("=")
        kind, _, option = name.partition(".")
        if kind == "remote":
            remote, _, option = option.rpartition(".")
            sections.setdefault(f"'remote \"{remote}\"'", []).append(f"{option} = {value}")
        elif name == "core.remote":
            sections["core"] = [f"remote = {value}"]
    return "".join(f"[{section}]\n" + "\n".join(lines) + "\n" for section, lines in sections.items())


def _dvc(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
