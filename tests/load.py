"""Many requests over a few connections, faster than a client library makes them: what is tested is the server."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

Answer = tuple[int, Any]


async def _talk(url: str, path: str, bodies: Sequence[bytes], answers: list[Answer], first: int, step: int) -> None:
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**24)
    head = f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: "
    for i in range(first, len(bodies), step):
        writer.write(f"{head}{len(bodies[i])}\r\n\r\n".encode() + bodies[i])
        said = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(said.partition(b"content-length: ")[2].split(b"\r\n")[0])
        answers[i] = int(said.split(b" ", 2)[1]), json.loads(await reader.readexactly(length))
    writer.close()
    await writer.wait_closed()


def post_all(url: str, path: str, bodies: Sequence[Any], connections: int = 8) -> list[Answer]:
    """Post bodies as JSON; return (status, answer) of each, in the same order. A connection that breaks raises."""
    encoded = [json.dumps(body).encode() for body in bodies]
    answers: list[Answer] = [(0, None)] * len(encoded)

    async def talk() -> None:
        await asyncio.gather(
            *(_talk(url, path, encoded, answers, first, connections) for first in range(min(connections, len(bodies))))
        )

    asyncio.run(talk())
    return answers
