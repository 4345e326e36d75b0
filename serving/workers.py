"""The workers of this host, so that one can ask all of them: each listens on a Unix socket in their master's folder."""

import asyncio
import atexit
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import click
from bentoml._internal.configuration.containers import BentoMLContainer

# Set by the master for its workers, not by users.
FOLDER = "_WORKERS_FOLDER"
HOST = "_WORKERS_HOST"
_MODELS = "models"
_ANSWER_SECONDS = 30.0
# The longest path of a Unix socket is 104 bytes on macOS, and a file name in the folder is up to 16.
_LONGEST_FOLDER = 85


class WorkerError(Exception):
    """A worker could not do what it was asked. The message is its sentence."""


def prepare(host: str) -> None:
    """Make the folder, in the master process before it starts workers. It goes when the master ends.

    Args:
        host: address that the workers' servers listen on.
    """
    os.environ[HOST] = host
    folder = tempfile.mkdtemp(prefix="workers-")
    if len(folder) > _LONGEST_FOLDER:
        Path(folder).rmdir()
        folder = tempfile.mkdtemp(prefix="workers-", dir="/tmp")
    os.environ[FOLDER] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


def keep_numbers_apart() -> None:
    """Give a server that is about to start a folder of its own for the numbers behind /metrics.

    BentoML has one for everybody with the same BENTOML_HOME and empties it at the start: a second server would wipe out
    what the first has counted, and each would show the other's. Must come before `bentoml serve` has made its choice,
    so while it imports the service; nothing happens in another process.
    """
    command = click.get_current_context(silent=True)
    if command and command.info_name == "serve":
        folder = tempfile.mkdtemp(prefix="metrics-")
        BentoMLContainer.prometheus_multiproc_dir.set(folder)
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def models_of_workers() -> list[str]:
    """Return the tags of the model that the host's workers switched to last and of the one before, if any."""
    with suppress(OSError):
        return (Path(os.environ.get(FOLDER, "")) / _MODELS).read_text().split()
    return []


class Workers:
    """This worker and the others. A worker that was started without a master has no others.

    Args:
        refresh: what this worker does when it is asked; raises to refuse.
    """

    def __init__(self, refresh: Callable[[], Awaitable[object]]) -> None:
        self._refresh = refresh
        folder = os.environ.get(FOLDER)
        self._folder = Path(folder) if folder else None
        self._own = self._folder / f"{os.getpid()}.sock" if self._folder else None
        self._server: asyncio.Server | None = None
        self._kept = ""

    async def listen(self) -> None:
        if self._own:
            self._server = await asyncio.start_unix_server(self._answer, self._own)

    async def close(self) -> None:
        if self._own and self._server:
            self._own.unlink(missing_ok=True)
            self._server.close()

    async def refresh(self) -> None:
        """Ask this worker and then all others.

        Raises:
            WorkerError: another one refused. What this one raises goes through.
        """
        await self._refresh()
        others = [path for path in self._folder.glob("*.sock") if path != self._own] if self._folder else []
        await asyncio.gather(*(self._ask(path) for path in others))

    async def _ask(self, path: Path) -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(path)
        except OSError:
            # Its worker died. One that takes its place looks for the newest model by itself.
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - as fast as the connection itself
            return
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                refused = (await reader.read()).decode()
        except (OSError, TimeoutError):
            refused = f"worker {path.stem} did not answer"
        finally:
            writer.close()
        if refused:
            raise WorkerError(refused)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._refresh()
        except Exception as error:
            writer.write(str(error).encode())
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    @property
    def models(self) -> list[str]:
        """The tags of the model that the workers switched to last and of the one before."""
        return models_of_workers() if self._folder else self._kept.split()

    def switched(self, tag: str) -> None:
        """Keep that this worker answers with the model, for `models` and for a worker that starts later."""
        before = self.models
        if before[:1] == [tag]:
            return
        self._kept = " ".join([tag, *before[:1]])
        if self._folder:
            # Replaced whole: others read it at any time.
            unfinished = self._folder / f"{os.getpid()}.tmp"
            unfinished.write_text(self._kept)
            unfinished.replace(self._folder / _MODELS)
