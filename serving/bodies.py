"""What comes in and goes out of the BentoML API as JSON: strict on the way in, fast on the way out."""

from typing import Any, Self

import pydantic_core
from _bentoml_impl.serde import Serde
from _bentoml_sdk import IODescriptor
from _bentoml_sdk.io_models import IORootModel
from pydantic import ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from serving.schema import MAX_ROWS, Explanation, Label, Prediction, Receipt, Row


class _JsonBody(IODescriptor):
    @classmethod
    async def from_http_request(cls, request: Request, serde: Serde) -> Self:
        # BentoML would take forms, text and pickles here, and turn "1" into 1.
        body: Self = cls.model_validate_json(await request.body())
        return body


class _JsonAnswer:
    media_type = "application/json"

    @classmethod
    async def to_http_response(cls, obj: Any, serde: Serde) -> Response:
        # The methods return plain dicts and lists; to build and dump 10,000 models costs ten times the scoring.
        return Response(pydantic_core.to_json(obj), media_type="application/json")


class PredictBody(_JsonBody):
    """The rows to predict, answered in the same order."""

    model_config = ConfigDict(extra="forbid")

    rows: list[Row] = Field(min_length=1, max_length=MAX_ROWS)


class RowBody(_JsonBody, Row):
    """One row, as the whole body."""

    __root_input__ = True


class FeedbackBody(_JsonBody):
    """The true label of a prediction."""

    model_config = ConfigDict(extra="forbid")

    prediction_id: str = Field(description="of the prediction")
    actual: Label = Field(description="what it should have been")


class PredictionAnswer(_JsonAnswer, IODescriptor, Prediction):
    pass


class ExplanationAnswer(_JsonAnswer, IODescriptor, Explanation):
    pass


class FeedbackAnswer(_JsonAnswer, IODescriptor, Receipt):
    pass


class PredictionsAnswer(_JsonAnswer, IORootModel[list[Prediction]]):
    pass
