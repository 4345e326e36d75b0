"""Answers of the lanes: an ASGI application that says what is ready to be sent."""

from collections.abc import Sequence

from starlette.types import Receive, Scope, Send

JSON = b"application/json"


class Answer:
    """A 200 with its body. Starlette's `Response` takes several times as long, to make the same headers of text.

    Args:
        headers: those beside content type and length.
    """

    def __init__(self, body: bytes, content_type: bytes = JSON, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self._body = body
        self._headers = [(b"content-length", b"%d" % len(body)), (b"content-type", content_type), *headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})
