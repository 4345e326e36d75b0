"""The Open Inference Protocol over HTTP, as an ASGI lane in front of BentoML's routes.

https://github.com/kserve/open-inference-protocol and Triton's extensions binary_tensor_data and model_repository.
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import Any, NamedTuple

import pydantic_core
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.answers import Answer
from serving.errors import RequestError, short, show
from serving.guard import Rule
from serving.oip_body import RawHeaders, decode, encode, read_object
from serving.repository import Repository
from serving.schema import MODEL_NAME

ROOT = "/v2"
# its series in the request metrics
INFER = f"{ROOT}/models/{{model}}/infer"


class OpenInference:
    """ASGI middleware that answers everything under /v2 and hands the rest on.

    Args:
        repository: gives the models of this worker; asked at each request.
    """

    def __init__(self, app: ASGIApp, repository: Callable[[], Repository]) -> None:
        self._app = app
        self._repository = repository

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _ours(scope["path"]):
            await self._app(scope, receive, send)
            return
        repository = self._repository()
        answer: ASGIApp
        try:
            answer = await _answer(repository, scope, receive)
        except RequestError as error:
            repository.predictor.refused(error.implausible)
            answer = error.response()
        await answer(scope, receive, send)


async def _answer(repository: Repository, scope: Scope, receive: Receive) -> Answer:
    path, method = scope["path"], scope["method"]
    template, model, version = _parse(path)
    if template not in _ROUTES:
        raise RequestError(404, f"there is nothing at {short(path)}: see {ROOT} for the server's metadata")
    allowed, answer = _ROUTES[template]
    if method != allowed and (method, allowed) != ("HEAD", "GET"):
        message = f"{method} is not allowed on {short(path)}; allowed: {allowed}"
        raise RequestError(405, message, headers={"Allow": allowed})
    if model is not None:
        repository.check(model, version)
    body = (await receive()).get("body", b"") if allowed == "POST" else b""
    return await answer(repository, Call(scope["headers"], body))


class Call(NamedTuple):
    """A request that found its route and its model."""

    headers: RawHeaders
    body: bytes


async def _server_metadata(repository: Repository, call: Call) -> Answer:
    return _json(repository.server_metadata())


async def _live(repository: Repository, call: Call) -> Answer:
    return _json({"live": True})


async def _ready(repository: Repository, call: Call) -> Answer:
    repository.check_ready()
    return _json({"ready": True})


async def _model_metadata(repository: Repository, call: Call) -> Answer:
    return _json(repository.model_metadata())


async def _model_ready(repository: Repository, call: Call) -> Answer:
    repository.check_ready()
    return _json({"name": MODEL_NAME, "ready": True})


async def _infer(repository: Repository, call: Call) -> Answer:
    name, rows, outputs = decode(call.headers, call.body)
    return encode(name, repository.predictor.predict(rows, "oip"), outputs)


async def _index(repository: Repository, call: Call) -> Answer:
    ready = read_object(call.body or b"{}").get("ready", False)
    if not isinstance(ready, bool):
        raise RequestError(400, f"ready is {show(ready)}; expected true or false")
    return _json(await repository.index(ready))


async def _load(repository: Repository, call: Call) -> Answer:
    if parameters := read_object(call.body or b"{}").get("parameters"):
        raise RequestError(400, f"load takes no parameters, and {show(parameters)} came")
    return _json({"name": MODEL_NAME, "load": True, "version": await repository.load()})


async def _unload(repository: Repository, call: Call) -> Answer:
    raise repository.unload_refused()


# path after /v2, without a version: its method and what answers it
_ROUTES: dict[tuple[str, ...], tuple[str, Callable[[Repository, Call], Awaitable[Answer]]]] = {
    (): ("GET", _server_metadata),
    ("health", "live"): ("GET", _live),
    ("health", "ready"): ("GET", _ready),
    ("models", "{model}"): ("GET", _model_metadata),
    ("models", "{model}", "ready"): ("GET", _model_ready),
    ("models", "{model}", "infer"): ("POST", _infer),
    ("repository", "index"): ("POST", _index),
    ("repository", "models", "{model}", "load"): ("POST", _load),
    ("repository", "models", "{model}", "unload"): ("POST", _unload),
}


def rule(path: str) -> Rule | None:
    """Say what the guard asks of a POST under /v2. The protocol wants no content type."""
    if not _ours(path):
        return None
    return Rule(key=path.endswith(("/infer", "/load", "/unload")), json=False)


def label(path: str) -> str:
    """Name the series of a path in the request metrics; empty if it is not the protocol's."""
    template = _parse(path)[0] if _ours(path) else None
    return "" if template not in _ROUTES else "/".join((ROOT, *template))


def _ours(path: str) -> bool:
    return path == ROOT or path.startswith(f"{ROOT}/")


@lru_cache
def _parse(path: str) -> tuple[tuple[str, ...], str | None, str]:
    """Return the path's template without its version, the model and the version that it names."""
    match path.split("/")[2:]:
        case ["models", model, "versions", version, *rest]:
            return ("models", "{model}", *rest), model, version
        case ["models", model, *rest]:
            return ("models", "{model}", *rest), model, ""
        case ["repository", "models", model, *rest]:
            return ("repository", "models", "{model}", *rest), model, ""
        case parts:
            return tuple(parts), None, ""


def _json(content: Any) -> Answer:
    return Answer(pydantic_core.to_json(content))
