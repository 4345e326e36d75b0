"""A real S3 API on this machine."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.processes import started
from tests.servers import free_port


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """Start moto's server, which forgets everything at the end; yields its address."""
    port = free_port()
    command: list[str | Path] = [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with started(command, folder, os.environ, folder / "log") as process:
        url = f"http://127.0.0.1:{port}"
        while process.poll() is None:
            with suppress(httpx.TransportError):
                httpx.get(f"{url}/moto-api/").raise_for_status()
                break
            time.sleep(0.05)
        assert process.poll() is None, (folder / "log").read_text()
        yield url
