"""Make .venv and install one of the locked sets into it: `python3 requirements/install.py serve`.

Needs nothing but Python's standard library. What can go wrong on somebody's machine ends in one sentence.
"""

import sys

NEEDED_PYTHON = (3, 11)

# Stands before everything else, so that an old Python gets as far as this sentence: no newer syntax than 3.6 in here.
if sys.version_info < NEEDED_PYTHON:
    sys.exit(
        f"error: Python 3.11 or newer is needed, and {sys.executable} is {sys.version.split()[0]}: install it (Debian,"
        " Ubuntu: apt install python3.11 python3.11-venv) or name one, as in: make serve PYTHON=/path/to/python3.11"
    )

import fcntl
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
# What each set holds, itself included, at the same versions.
SETS = {
    "api": ("api",),
    "serve": ("serve", "api"),
    "train": ("train", "serve", "api"),
    "monitor": ("monitor", "serve", "api"),
    "ship": ("ship", "serve", "api"),
    "scale": ("scale", "serve", "api"),
    "dev": ("dev", "train", "monitor", "ship", "scale", "serve", "api"),
}
# Disk that a new environment takes, in MB, with a margin for what is unpacked on the way.
NEEDED_MB = {"api": 500, "serve": 800, "train": 1500, "monitor": 1500, "ship": 900, "scale": 1500, "dev": 2400}


class SetupError(Exception):
    """The message is one sentence for whoever sets this up."""


class Environment:
    """The virtual environment in `folder`, filled from the locks in `requirements`."""

    def __init__(self, requirements: Path, folder: Path) -> None:
        self.requirements = requirements
        self.folder = folder
        self.python = folder / "bin" / "python"
        # Lies there while something is being installed. An installer that was killed may leave half a package that
        # looks whole, so whoever finds this mark starts over; downloads are cached.
        self.unfinished = folder / ".unfinished"

    def has(self, name: str) -> bool:
        """Tell whether the set, or one that holds it, is installed as it is locked now."""
        return self.usable() and any(self._stamped(each) for each, held in SETS.items() if name in held)

    def usable(self) -> bool:
        """Tell whether packages can be added: it may be half made, or left over from a Python that was removed."""
        code = f"import sys, pip; sys.exit(sys.version_info < {NEEDED_PYTHON})"
        try:
            runs = subprocess.run([self.python, "-c", code], stderr=subprocess.DEVNULL, check=False).returncode == 0
        except OSError:
            return False
        return runs and not self.unfinished.exists()

    def create(self, needed_mb: int) -> None:
        check_venv()
        shutil.rmtree(self.folder, ignore_errors=True)
        check_disk(self.folder.parent, needed_mb)
        say(f"[1/3] making {self.folder.name} with Python {sys.version.split()[0]}")
        self.folder.mkdir()
        self.unfinished.touch()
        try:
            # In this process and not by `-m venv`: sys.executable may be the very Python that was just removed.
            venv.create(self.folder, symlinks=True, with_pip=True)
        except subprocess.CalledProcessError as error:
            raise SetupError(f"{self.folder} could not be made: {error}") from None

    def install(self, name: str) -> None:
        """Install the set. Raises SetupError, and then the next call starts over."""
        self.unfinished.touch()
        say("[2/3] installing uv, which installs the rest")
        if run(self.python, "-m", "pip", "install", "--quiet", *locked(self._lock("uv"))):
            raise SetupError("uv could not be installed: see pip's message above, and whether the network is there")
        lock = self._lock(name)
        say(f"[3/3] installing the packages of requirements/{lock.name}, each checked against its hash")
        # uv does not read pip's configuration: where only that names a mirror or a certificate, pip gets through.
        uv = run(self.folder / "bin" / "uv", "pip", "install", "--python", self.python, *locked(lock))
        if uv and run(self.python, "-m", "pip", "install", *locked(lock)):
            check_disk(self.folder, 100)
            raise SetupError("the packages could not be installed: see the message above; the same command tries again")
        self._stamp(name).write_text(self._sum(name))
        self.unfinished.unlink()

    def _lock(self, name: str) -> Path:
        return self.requirements / f"{name}.txt"

    def _stamp(self, name: str) -> Path:
        return self.folder / f".installed-{name}"

    def _sum(self, name: str) -> str:
        return hashlib.sha256(self._lock("uv").read_bytes() + self._lock(name).read_bytes()).hexdigest()

    def _stamped(self, name: str) -> bool:
        return self._stamp(name).is_file() and self._stamp(name).read_text() == self._sum(name)


def locked(lock: Path) -> list[str]:
    return ["--require-hashes", "--requirement", str(lock)]


def run(*command: str | Path) -> int:
    """Run what the user shall see. uv trusts the certificates that the machine trusts, as pip does."""
    environment = {"UV_SYSTEM_CERTS": "true", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **os.environ}
    return subprocess.run(command, env=environment, check=False).returncode


def check_venv() -> None:
    # Debian packs ensurepip apart from Python, and without it venv makes no usable environment.
    if any(importlib.util.find_spec(module) is None for module in ("venv", "ensurepip")):
        version = "{}.{}".format(*sys.version_info)
        raise SetupError(
            f"the Python at {sys.executable} has no venv module: install it (Debian, Ubuntu: apt install"
            f" python{version}-venv) and run the same command again"
        )


def check_disk(folder: Path, needed_mb: int) -> None:
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    if free_mb < needed_mb:
        raise SetupError(f"{needed_mb} MB of free disk are needed in {folder}, and there are {free_mb}")


def say(text: str) -> None:
    print(text, flush=True)


def wait_for_turn(handle: int) -> None:
    """Lock out a second installer (another terminal, make -j): it would take this one's half-made folder for broken."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("waiting for another installation in this folder to finish")
        fcntl.flock(handle, fcntl.LOCK_EX)


def main(arguments: list[str]) -> None:
    if len(arguments) != 1 or arguments[0] not in SETS:
        sys.exit(f"usage: python3 requirements/install.py {'|'.join(SETS)}")
    name = arguments[0]
    # A kill is handled as Ctrl-C is, so that pip or uv does not go on alone.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Path(__file__).open() as lock:
        wait_for_turn(lock.fileno())
        environment = Environment(HERE, HERE.parent / ".venv")
        if environment.has(name):
            return
        if not environment.usable():
            environment.create(NEEDED_MB[name])
        environment.install(name)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SetupError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        sys.exit(f"error: setting up failed: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: the same command starts the installation over")
