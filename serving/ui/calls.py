"""Calls of the page to Gradio: only those it makes, without a session, and with our errors."""

import json
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import UNEXPECTED, error_response


async def call(app: ASGIApp, calls: Mapping[int, int], scope: Scope, receive: Receive, send: Send) -> None:
    """Pass a call to Gradio with its index and data alone.

    A session would be one worker's, and Gradio keeps what it knows of it: here every call is for itself.

    Args:
        calls: the number of inputs of each call, by its index.
    """
    body = _checked(await Request(scope, receive).body(), calls)
    if body is None:
        message = "this is not a call that the page makes: see / for the API"
        await error_response(400, message)(scope, receive, send)
        return
    headers = [pair for pair in scope["headers"] if pair[0] not in (b"content-length", b"content-type")]
    headers += [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    failed = False

    async def in_our_shape(message: Message) -> None:
        nonlocal failed
        if message["type"] == "http.response.start" and message["status"] >= 400:
            failed = True
            wrong = error_response(400, "the data of this call is not what the page sends")
            response = wrong if message["status"] < 500 else error_response(500, UNEXPECTED)
            await response(scope, receive, send)
        elif not failed:
            await send(message)

    await app({**scope, "root_path": scope["app_root_path"], "headers": headers}, replayed, in_our_shape)


def _checked(body: bytes, calls: Mapping[int, int]) -> bytes | None:
    try:
        given: Any = json.loads(body)
        index, data = given["fn_index"], given["data"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if type(index) is not int or not isinstance(data, list) or len(data) != calls.get(index):
        return None
    return json.dumps({"fn_index": index, "data": data}).encode()
