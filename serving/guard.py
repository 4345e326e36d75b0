"""The door in front of the API: key, content type, body size, concurrency, origins.

Health and metrics do not pass through it.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.admission import Admission
from serving.deadline import Deadline
from serving.errors import RequestError, error_response
from serving.settings import Settings

# A body that has not arrived by then was never meant to.
_BODY_SECONDS = 30.0
_DRAIN_SECONDS = 5.0

Head = dict[bytes, bytes]


class Rule(NamedTuple):
    """What a POST to a path needs: a key, if there are any; a JSON content type.

    `page`: a person opens it in a browser. Every method needs the key then, by HTTP Basic, the one way a browser knows.
    """

    key: bool = True
    json: bool = True
    page: bool = False


class Guard:
    """ASGI middleware that answers what must not reach the API, and hands the rest on with its body read.

    The body is read before the request takes one of the places, so a client that sends slowly holds none.

    Args:
        rule: gives the rule of a path, None for those that are the router's alone.
    """

    def __init__(
        self, app: ASGIApp, admission: Admission, max_body_bytes: int, rule: Callable[[str], Rule | None]
    ) -> None:
        self._app = app
        self._rule = rule
        self._admission = admission
        self._most_bytes = max_body_bytes
        self._deadline = Deadline(_BODY_SECONDS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        rule = self._rule(scope["path"]) if scope["type"] == "http" else None
        if rule is None or not (rule.page or scope["method"] == "POST"):
            await self._app(scope, receive, send)
            return
        # As bytes and looked up once: a `Headers` decodes and compares all of them for each one it gives.
        headers: Head = dict(scope["headers"])
        try:
            if rule.key:
                self._admission.check_key(headers.get(b"authorization", b"").decode("latin-1"), rule.page)
            if scope["method"] != "POST":
                await self._app(scope, receive, send)
                return
            if headers.get(b"content-type") != b"application/json" or b"content-encoding" in headers:
                _check_content(headers, rule.json)
            body = await self._read(headers, receive)
            if body is None:
                return
            with self._admission:
                await self._app(scope, _replay(body, receive), send)
        except RequestError as error:
            await _refuse(error, headers, scope, receive, send)

    async def _read(self, headers: Head, receive: Receive) -> bytes | None:
        """Return the body, or None if the client left."""
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > self._most_bytes:
            raise self._too_large()
        chunks, size = [], 0
        try:
            with self._deadline:
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunks.append(message.get("body", b""))
                    size += len(chunks[-1])
                    if size > self._most_bytes:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError:
            raise RequestError(400, f"the body did not arrive within {_BODY_SECONDS:g} seconds") from None

    def _too_large(self) -> RequestError:
        return RequestError(413, f"the body is larger than {self._most_bytes} bytes (MAX_BODY_BYTES)")


class Cors(CORSMiddleware):
    """Lets pages of the configured origins call, and says in our shape of an error why others may not."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        allowed = ("Authorization", "Content-Type")
        super().__init__(app, settings.cors_origins, allow_methods=("GET", "POST"), allow_headers=allowed)

    def preflight_response(self, request_headers: Headers) -> Response:
        answer = super().preflight_response(request_headers)
        if answer.status_code < 400:
            return answer
        return error_response(answer.status_code, str(answer.body, "utf-8"), headers={"Vary": "Origin"})


def _check_content(headers: Head, json: bool) -> None:
    encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip().lower()
    if encoding != "identity":
        raise RequestError(415, f"the content encoding is {encoding[:80]}; expected none")
    if not json:
        return
    content_type = headers.get(b"content-type", b"none").decode("latin-1")
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset=")]
    if kind != "application/json" or any(charset not in ("utf-8", "utf8", "us-ascii") for charset in charsets):
        raise RequestError(415, f"the content type is {content_type[:80]}; expected application/json in UTF-8")


async def _refuse(error: RequestError, headers: Head, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer at once, then let the rest of the body run into the void.

    To close while the client still sends would reset the connection, and the client would never read why.
    """

    async def keep_open(message: Message) -> None:
        await send({**message, "more_body": True} if message["type"] == "http.response.body" else message)

    await error.response()(scope, receive, keep_open)
    if b"expect" not in headers:
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                    pass
        except TimeoutError:
            pass
    await send({"type": "http.response.body", "body": b""})


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed
