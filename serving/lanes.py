"""The API's lanes: its methods are called with the body's bytes, past BentoML's routing, context and serialisation.

Those cost several times what a prediction does, and our methods need none of them. Adaptive batching is BentoML's own.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pydantic_core
from bentoml.exceptions import ServiceUnavailable
from pydantic import ValidationError
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.answers import Answer
from serving.bodies import Body
from serving.errors import UNEXPECTED, RequestError, error_response, implausible, invalid

logger = logging.getLogger("bentoml.service")


class Lane:
    """One API method.

    Args:
        body: what it takes.
        call: the method; by the body's fields, or by the body as a whole if that is a row.
        refused: is told which features had implausible values.
    """

    def __init__(
        self, body: type[Body], call: Callable[..., Awaitable[Any]], refused: Callable[[list[str]], None]
    ) -> None:
        self._read = body.__pydantic_validator__.validate_json
        self._fields = list(body.model_fields)
        self._whole = getattr(body, "__root_input__", False)
        self._call = call
        self._refused = refused

    async def answer(self, content: bytes) -> ASGIApp:
        """Answer a body, or say what is wrong with it."""
        try:
            body = self._read(content)
            if self._whole:
                answer = await self._call(body)
            else:
                answer = await self._call(**{name: getattr(body, name) for name in self._fields})
            return Answer(pydantic_core.to_json(answer))
        except ValidationError as error:
            self._refused(implausible(error))
            return invalid(error, self._fields).response()
        except RequestError as error:
            return error.response()
        except ServiceUnavailable:
            return error_response(503, "the service is overloaded: try again in a moment", headers={"Retry-After": "1"})
        except Exception:
            logger.exception("an API call failed")
            return error_response(500, UNEXPECTED)


class LaneMiddleware:
    """ASGI middleware that answers POSTs to the API's routes, and hands everything else on.

    Args:
        lanes: gives the lanes by their route; asked at each request, since BentoML makes the service late.
    """

    def __init__(self, app: ASGIApp, lanes: Callable[[], Mapping[str, Lane]]) -> None:
        self._app = app
        self._lanes = lanes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        lane = self._lanes().get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if lane is None:
            await self._app(scope, receive, send)
            return
        # The guard has read the body whole.
        answer = await lane.answer((await receive())["body"])
        await answer(scope, receive, send)
