"""Builds the folder of the Space: the card, the Dockerfile and the exported Bento."""

import hashlib
import re
import shutil
from pathlib import Path

import bentoml

HERE = Path(__file__).parent


def make(bento: bentoml.Bento, folder: Path) -> None:
    """Make the folder anew. The same service with the same model makes the same files, whenever its Bento was built."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("README.md", "Dockerfile"):
        shutil.copyfile(HERE / name, folder / name)
    bento.export(str((folder / "bento").absolute()), output_format="folder")
    _pin(folder / "bento", bento)


def _pin(folder: Path, bento: bentoml.Bento) -> None:
    """Take the time of building out of a Bento: its version becomes a hash of what is in it."""
    about = folder / "bento.yaml"
    text = about.read_text()
    trained = bento.info.all_models[0].creation_time.isoformat()
    text = re.sub(r"^creation_time: .*$", f"creation_time: '{trained}'", text, count=1, flags=re.MULTILINE)
    about.write_text(re.sub(r"^version: .*$", "version: ''", text, count=1, flags=re.MULTILINE))
    version = _sum(folder)[:16]
    about.write_text(re.sub(r"^version: ''$", f"version: {version!r}", about.read_text(), count=1, flags=re.MULTILINE))


def _sum(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        total.update(f"{path.relative_to(folder)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()
