"""A light load: raw connections and requests made beforehand, so that the client does not take the server's time."""

import asyncio
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import Protocol

import grpc

# One answer in so many is kept, to be compared with the true one after the load.
_KEPT = 97


class WrongAnswerError(Exception):
    """A server did not do what was asked. The message says what came instead."""


class Connection(Protocol):
    async def ask(self, request: bytes) -> bytes: ...

    async def close(self) -> None: ...


class HttpConnection(asyncio.Protocol):
    """One HTTP/1.1 connection that is kept open; one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None
        self._received = bytearray()
        self._whole = 0  # bytes of the answer, head included; 0 while they are not known
        self._body = 0  # where the body begins

    async def ask(self, request: bytes) -> bytes:
        """Send a request and return the body of the answer.

        Raises:
            WrongAnswerError: the status is not 200, or the server hung up.
        """
        loop = asyncio.get_running_loop()
        if self._transport is None or self._transport.is_closing():
            self._transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self._port)
        self._answer = loop.create_future()
        self._received.clear()
        self._whole = 0
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        if not self._whole:
            end = received.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(received[:end]).lower()
            _, found, length = head.partition(b"\r\ncontent-length:")
            if not found:
                self._fail(f"no Content-Length: {head!r}")
                return
            self._body = end + 4
            self._whole = self._body + int(length.split(b"\r\n", 1)[0])
        if len(received) >= self._whole:
            if received[9:12] != b"200":
                self._fail(bytes(received[:500]).decode(errors="replace"))
            elif self._answer and not self._answer.done():
                self._answer.set_result(bytes(received[self._body :]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(f"the server hung up: {exc}")

    def _fail(self, message: str) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(WrongAnswerError(message))

    async def close(self) -> None:
        if self._transport:
            self._transport.abort()


class GrpcConnection:
    """One gRPC connection of its own; messages go and come as bytes."""

    def __init__(self, port: int, method: str) -> None:
        # Channels share a connection unless they are told not to, and a large batch is larger than the default limit.
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", -1)]
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options)
        self._call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(method)

    async def ask(self, request: bytes) -> bytes:
        """Send a message and return the answer's.

        Raises:
            WrongAnswerError: the status is not OK.
        """
        try:
            return await self._call(request)
        except grpc.aio.AioRpcError as error:
            raise WrongAnswerError(f"{error.code().name}: {error.details()}") from None

    async def close(self) -> None:
        await self._channel.close()


@dataclass
class Taken:
    """What a load measured: seconds of each answer, seconds in all, and some (index of the request, answer)."""

    latencies: list[float] = field(default_factory=list)
    seconds: float = 0.0
    kept: list[tuple[int, bytes]] = field(default_factory=list)

    def add(self, index: int, latency: float, answer: bytes) -> None:
        if len(self.latencies) % _KEPT == 0:
            self.kept.append((index, answer))
        self.latencies.append(latency)


async def closed(connections: Sequence[Connection], requests: Sequence[bytes], seconds: float, most: int = 0) -> Taken:
    """Let every connection ask again as soon as it is answered, until the time or the number of answers is reached.

    Args:
        most: this many answers; 0 is as many as there is time for.
    """
    taken, number = Taken(), count()

    async def ask(connection: Connection, end: float) -> None:
        while (start := perf_counter()) < end and ((asked := next(number)) < most or not most):
            index = asked % len(requests)
            answer = await connection.ask(requests[index])
            taken.add(index, perf_counter() - start, answer)

    with _timing(taken) as begin:
        await asyncio.gather(*(ask(connection, begin + seconds) for connection in connections))
    return taken


async def opened(connections: Sequence[Connection], requests: Sequence[bytes], seconds: float, rate: float) -> Taken:
    """Ask at a fixed rate whether or not answers come. A request that must wait for a connection waits on the clock."""
    taken = Taken()
    free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for connection in connections:
        free.put_nowait(connection)

    async def ask(number: int) -> None:
        start = perf_counter()
        connection = await free.get()
        answer = await connection.ask(requests[number % len(requests)])
        taken.add(number % len(requests), perf_counter() - start, answer)
        free.put_nowait(connection)

    with _timing(taken) as begin:
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                if (early := begin + number / rate - perf_counter()) > 0:
                    await asyncio.sleep(early)
                group.create_task(ask(number))
    return taken


@contextmanager
def _timing(taken: Taken) -> Iterator[float]:
    """Take the seconds that a block lasts. The client's own garbage collection would count as the server's latency."""
    gc.collect()
    gc.disable()
    begin = perf_counter()
    try:
        yield begin
    finally:
        taken.seconds = perf_counter() - begin
        gc.enable()
