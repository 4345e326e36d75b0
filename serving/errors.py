"""The one shape of an error, and sentences for what a client got wrong."""

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic_core
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from serving.schema import CLASSES, FEATURES, MAX_ROWS, NAMES

_EXPECTED = {
    "prediction_id": "the prediction_id of an answer, as text",
    "actual": " or ".join(CLASSES),
    **{feature.name: feature.expected for feature in FEATURES},
}
UNEXPECTED = "an unexpected error; the server's log has it"
_MOST_DETAILS = 100
MISSING = object()
_SHORT = reprlib.Repr()
_SHORT.maxstring = 60
_IMPLAUSIBLE = ("greater_than_equal", "less_than_equal")


class RequestError(Exception):
    """Something a client can mend. `status`: 400 to 503; `detail`: machine-readable items behind the sentence."""

    # names of features whose values are out of the plausible range, with repetition
    implausible: Sequence[str] = ()

    def __init__(
        self, status: int, message: str, detail: Sequence[Any] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.detail, self.headers = status, message, list(detail), headers

    def response(self) -> Response:
        """Return `{"error": sentence, "detail": [...]}` with the status."""
        return error_response(self.status, self.message, self.detail, self.headers)


def error_response(
    status: int, message: str, detail: Sequence[Any] = (), headers: Mapping[str, str] | None = None
) -> Response:
    content = pydantic_core.to_json({"error": message, "detail": list(detail)}, inf_nan_mode="constants")
    return Response(content, status, headers, "application/json")


def http_error(request: Request, error: Exception) -> Response:
    """Answer what the router found wrong with a request. For `exception_handlers`."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404:
        message = f"there is nothing at {path}: see / for what there is"
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{request.method} is not allowed on {path}; allowed: {allowed}"
    else:
        message = error.detail
    return error_response(error.status_code, message, headers=error.headers)


def unexpected(request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw. For `exception_handlers`."""
    return error_response(500, UNEXPECTED)


def invalid(error: ValidationError, fields: Sequence[str]) -> RequestError:
    """Turn what pydantic found in a body with these fields into a 400 that names place, value and expectation."""
    problems = error.errors(include_url=False, include_context=False)
    items = [_item(problem, fields) for problem in problems[:_MOST_DETAILS]]
    others = len(problems) - 1
    more = f"; {others} more problem{'s' if others > 1 else ''} in detail" if others else ""
    return RequestError(400, items[0]["error"] + more, items)


def implausible(error: ValidationError) -> list[str]:
    """Name the features that were refused because their value is out of the plausible range, with repetition."""
    return [
        str(problem["loc"][-1])
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
        if problem["type"] in _IMPLAUSIBLE and problem["loc"] and problem["loc"][-1] in NAMES
    ]


def refusal(where: str, value: object, expected: str) -> str:
    """Say what is wrong with a value, or that it is `MISSING`."""
    return f"{where} is {'missing' if value is MISSING else _shown(value)}; expected {expected}"


def _item(problem: Any, fields: Sequence[str]) -> dict[str, Any]:
    location: tuple[int | str, ...] = problem["loc"]
    kind, last = problem["type"], location[-1] if location else None
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".") or "the body"
    if kind == "json_invalid":
        message = f"the body is not JSON: {problem['msg'].removeprefix('Invalid JSON: ')}"
    elif kind == "missing":
        message = refusal(where, MISSING, _EXPECTED.get(str(last), "a list of rows"))
    elif kind == "extra_forbidden":
        known = fields if len(location) == 1 else NAMES
        message = f"{_shown(where)} is not known here; expected only {', '.join(known)}"
    elif kind in ("too_short", "too_long"):
        message = f"{where} has {len(problem['input'])} items; expected 1 to {MAX_ROWS}"
    else:
        expected = _EXPECTED.get(str(last), "a list of rows" if last == "rows" else "an object")
        message = refusal(where, problem["input"], expected)
    return {"error": message, "location": list(location), "type": kind}


def short(text: str) -> str:
    """Cut what a client sent to what fits into a sentence."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def show(value: object) -> str:
    """Write what a client sent into a sentence, however large it is."""
    try:
        return short(_SHORT.repr(value))
    except ValueError:
        return "a number of thousands of digits"  # Python refuses to write it out


def _shown(value: object) -> str:
    text = pydantic_core.to_json(value, fallback=repr, inf_nan_mode="constants").decode()
    return short(text)
