"""What comes in and goes out of the BentoML API as JSON. `serving.lanes` reads and writes it."""

from _bentoml_sdk import IODescriptor
from _bentoml_sdk.io_models import IORootModel
from pydantic import ConfigDict, Field

from serving.schema import MAX_ROWS, Explanation, Label, Prediction, Receipt, Row


class Body(IODescriptor):
    """What a lane takes: fields, or with `__root_input__` a row."""


class _Answer:
    media_type = "application/json"


class PredictBody(Body):
    """The rows to predict, answered in the same order."""

    model_config = ConfigDict(extra="forbid")

    rows: list[Row] = Field(min_length=1, max_length=MAX_ROWS)


class RowBody(Body, Row):
    """One row, as the whole body."""

    __root_input__ = True


class FeedbackBody(Body):
    """The true label of a prediction."""

    model_config = ConfigDict(extra="forbid")

    prediction_id: str = Field(description="of the prediction")
    actual: Label = Field(description="what it should have been")


class PredictionAnswer(_Answer, IODescriptor, Prediction):
    pass


class ExplanationAnswer(_Answer, IODescriptor, Explanation):
    pass


class FeedbackAnswer(_Answer, IODescriptor, Receipt):
    pass


class PredictionsAnswer(_Answer, IORootModel[list[Prediction]]):
    pass
