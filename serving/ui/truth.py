"""POST /ui/feedback: what a prediction of the page should have been. /feedback asks for a key that a page has not."""

from collections.abc import Callable

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serving.bodies import FeedbackBody
from serving.errors import RequestError, invalid
from serving.feedback import Feedback


async def take_feedback(request: Request, feedback: Callable[[], Feedback]) -> Response:
    """Record the label, as /feedback does."""
    try:
        body = FeedbackBody.model_validate_json(await request.body())
        recorded = await feedback().record(body.prediction_id, body.actual)
    except ValidationError as error:
        return invalid(error, list(FeedbackBody.model_fields)).response()
    except RequestError as error:
        return error.response()
    return JSONResponse({"prediction_id": body.prediction_id, "actual": body.actual, "recorded": recorded})
