"""An environment for each peer, so that none decides what another can have installed."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE / ".environments"
# Ours is measured with what `make serve` and the image install.
OURS = "serve"


class EnvironmentFailedError(Exception):
    """Packages could not be installed. The message is one sentence."""


def lock(name: str) -> Path:
    """Return the file that pins every package of the environment."""
    return HERE.parent / "requirements" / "serve.txt" if name == OURS else HERE / "requirements" / f"{name}.txt"


def ready(name: str) -> Path:
    """Make the environment unless it is there as it is pinned now, and return its folder of programs.

    Raises:
        EnvironmentFailedError: uv could not install it.
    """
    folder, pinned = FOLDER / name, lock(name)
    stamp = folder / ".installed"
    expected = hashlib.sha256(pinned.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == expected:
        return folder / "bin"
    print(f"installing the packages of {pinned.relative_to(HERE.parent)}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    # Byte code is compiled now, so that the first start is like every other.
    install = ["pip", "install", "--quiet", "--compile-bytecode", "--python", str(folder), "--requirement", str(pinned)]
    for command in (["venv", "--quiet", "--python", sys.executable, str(folder)], install):
        uv = [str(Path(sys.executable).parent / "uv"), *command]
        if subprocess.run(uv, env={"UV_SYSTEM_CERTS": "true", **os.environ}, check=False).returncode:
            raise EnvironmentFailedError(f"the packages of {pinned} could not be installed: see uv's message above")
    stamp.write_text(expected)
    return folder / "bin"
