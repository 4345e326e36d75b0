"""The load generator, against small servers that do right or wrong."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import numpy as np
import pytest

from benchmarks.client import compare
from benchmarks.load import HttpConnection, Taken, WrongAnswerError, closed, opened

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
REQUESTS = [f"GET /{i} HTTP/1.1\r\n\r\n".encode() for i in range(3)]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[int]:
    """Serve on a port until the block ends: `answer` gets each request's first line."""
    talking: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                await answer(head.split(b"\r\n")[0], writer)
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking.add(asyncio.ensure_future(talk(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*talking)


def whole(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


async def echo(line: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(whole(line))


async def in_pieces(line: bytes, writer: asyncio.StreamWriter) -> None:
    for byte in whole(line):
        writer.write(bytes([byte]))
        await asyncio.sleep(0)


async def refuse(line: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(whole(b"busy", b"503 Service Unavailable"))


async def hang_up(line: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def say_no_length(line: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")


def ask_closed(answer: Answer, connections: int = 4, most: int = 50) -> Taken:
    async def run() -> Taken:
        async with answering(answer) as port:
            made = [HttpConnection(port) for _ in range(connections)]
            try:
                return await closed(made, REQUESTS, 60, most)
            finally:
                await asyncio.gather(*(each.close() for each in made))

    return asyncio.run(run())


@pytest.mark.parametrize("answer", [echo, in_pieces])
def test_a_closed_load_asks_as_often_as_it_was_told(answer: Answer) -> None:
    taken = ask_closed(answer)
    assert len(taken.latencies) == 50
    assert min(taken.latencies) > 0
    assert taken.kept
    for index, body in taken.kept:
        assert body == REQUESTS[index].split(b"\r\n")[0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [(refuse, "503 Service Unavailable"), (hang_up, "hung up"), (say_no_length, "no Content-Length")],
)
def test_a_server_that_fails_is_not_measured(answer: Answer, message: str) -> None:
    with pytest.raises(WrongAnswerError, match=message):
        ask_closed(answer, connections=1)


def test_an_open_load_asks_at_its_rate_and_waits_for_a_free_connection() -> None:
    seen: list[bytes] = []

    async def count(line: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(line)
        await echo(line, writer)

    async def run() -> Taken:
        async with answering(count) as port:
            one = HttpConnection(port)
            try:
                return await opened([one], REQUESTS, 0.05, 1000)
            finally:
                await one.close()

    taken = asyncio.run(run())
    assert len(taken.latencies) == len(seen) == 50
    # No faster than its rate: the last one was due after 49 ms.
    assert taken.seconds >= 0.049


def test_an_answer_with_other_probabilities_is_wrong() -> None:
    truth = np.array([[0.25, 0.75]])
    compare(truth + 1e-12, truth)
    with pytest.raises(WrongAnswerError, match=r"should be \[\[0.25, 0.75\]\]"):
        compare(np.array([[0.75, 0.25]]), truth)
    with pytest.raises(WrongAnswerError):
        compare(np.concatenate([truth, truth]), truth)
