"""SIGTERM, in two steps: say "not ready" while requests are still served, then finish them and end.

A load balancer needs the first step: it goes on sending until its next look at the readiness.
"""

import asyncio
import signal
from collections.abc import Sequence
from types import FrameType
from typing import Protocol

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Server(Protocol):
    """A server that runs beside uvicorn."""

    async def not_ready(self) -> None:
        """Tell who asks that no more requests should come."""

    async def stop(self, seconds: float) -> None:
        """Take no new requests, give those in flight some seconds, end."""


class Drain:
    """How one worker ends.

    Args:
        delay: seconds of the first step.
        timeout: seconds that requests have to finish in the second.
    """

    def __init__(self, delay: float, timeout: float) -> None:
        self.draining = False
        self._delay = delay
        self._timeout = timeout
        self._task: asyncio.Task[None] | None = None

    def install(self, servers: Sequence[Server]) -> None:
        """Take SIGTERM over from uvicorn, and end the other servers of this process together with it."""
        uvicorn = signal.getsignal(signal.SIGTERM)
        server = getattr(uvicorn, "__self__", None)
        if not callable(uvicorn) or server is None:
            return  # not served by uvicorn, as in a test that calls the application itself
        server.config.timeout_graceful_shutdown = self._timeout
        loop = asyncio.get_running_loop()

        async def drain() -> None:
            for other in servers:
                await other.not_ready()
            await asyncio.sleep(self._delay)
            uvicorn(signal.SIGTERM, None)
            for other in servers:
                await other.stop(self._timeout)

        def begin() -> None:
            if not self.draining:
                self.draining = True
                self._task = loop.create_task(drain())

        def handle(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(begin)

        signal.signal(signal.SIGTERM, handle)


class DrainMiddleware:
    """Sends clients elsewhere: while the worker drains, every answer is its connection's last."""

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._drain.draining or scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def last(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, last)
