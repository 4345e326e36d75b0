"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, on 127.0.0.1."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import free_port
from tests.tools import missing

_HINT = "apt install postgresql"


class Postgres:
    """A cluster that can be stopped and started. `url` as PREDICTION_LOG_URL takes it."""

    def __init__(self, programs: Path, folder: Path, address: str) -> None:
        self._programs = programs
        self._folder = folder
        self._port = free_port()
        self._address = address
        self.url = f"postgresql://tester@{address}:{self._port}/postgres"
        self._run("initdb", "--auth=trust", "--username=tester", "--no-sync", "--encoding=UTF8")
        with (folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {address}/16 trust\n")

    def start(self) -> None:
        options = f"-p {self._port} -c listen_addresses={self._address} -c unix_socket_directories='' -c fsync=off"
        # One connection a worker, a few for feedback; the default of 100 would cost memory for nothing.
        self._run("pg_ctl", "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, "-D", self._folder / "data", *arguments],
            cwd=self._folder,
            # PostgreSQL refuses to run as root.
            user="postgres" if os.geteuid() == 0 else None,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            # Not a pipe: the server would inherit and hold it.
            stdout=subprocess.DEVNULL,
            check=True,
        )


@contextmanager
def postgres(address: str = "127.0.0.1") -> Iterator[Postgres]:
    """Start a cluster; it is stopped and removed at the end.

    Args:
        address: of this machine, on which it listens; who is near it (/16) may connect.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    if not found:
        which = shutil.which("initdb") or missing(f"PostgreSQL is not installed: {_HINT}")
        found = [Path(which).parent]
    # Not below pytest's own folder, which only its user may enter.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if os.geteuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        cluster = Postgres(found[-1], folder, address)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
