"""The one definition of the table: its features, its classes, a row, and the answers about it.

Validation, the API document, the generator of the embedded data, metric bins, drift columns and model cards all derive
from `FEATURES` and `CLASSES`. To serve another table, edit those two and nothing else here.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

MODEL_NAME = "gender_classifier"
MAX_ROWS = 10_000  # in one request
CLASSES = ("Female", "Male")


@dataclass(frozen=True, slots=True)
class Number:
    """A measured feature.

    Args:
        unit: of every value, `low` and `high` included.
        low, high: plausible range, inclusive. Outside of it a row is refused; inside, however unusual, it is served.
        step: resolution of the measurement.
        typical: (lowest, highest) value of the embedded data; its generator clips there.
        by_class: (mean, standard deviation) for each of `CLASSES`, in the embedded data.
        en, id: what it means, in English and Indonesian.
        monotone: the gate refuses a model whose odds of the last class against the first do not follow this value
            from the one class's mean to the other's.
    """

    name: str
    unit: str
    low: float
    high: float
    step: float
    typical: tuple[float, float]
    by_class: tuple[tuple[float, float], ...]
    en: str
    id: str
    monotone: bool = False

    @property
    def expected(self) -> str:
        return f"a number from {self.low:g} to {self.high:g} ({self.unit})"


@dataclass(frozen=True, slots=True)
class Flag:
    """A yes/no feature, 1 or 0.

    Args:
        by_class: the share of 1 for each of `CLASSES`, in the embedded data.
        slice: the gate refuses a model that is far worse on the rows that have it, or on those that have not.
        irrelevant: the gate refuses a model whose answers change when it is flipped.
    """

    name: str
    by_class: tuple[float, ...]
    en: str
    id: str
    low: float = 0
    high: float = 1
    slice: bool = False
    irrelevant: bool = False

    @property
    def expected(self) -> str:
        return "0 or 1"


Feature = Number | Flag

FEATURES: tuple[Feature, ...] = (
    Flag(
        name="long_hair",
        by_class=(0.87, 0.87),
        en="has long hair",
        id="berambut panjang",
        slice=True,
        irrelevant=True,
    ),
    Number(
        name="forehead_width_cm",
        unit="cm",
        low=5,
        high=25,
        step=0.1,
        typical=(11.4, 15.5),
        by_class=((12.8, 0.9), (13.6, 1.2)),
        en="width of the forehead",
        id="lebar dahi",
        monotone=True,
    ),
    Number(
        name="forehead_height_cm",
        unit="cm",
        low=2,
        high=15,
        step=0.1,
        typical=(5.1, 7.1),
        by_class=((5.8, 0.43), (6.1, 0.6)),
        en="height of the forehead",
        id="tinggi dahi",
    ),
    Flag(
        name="nose_wide",
        by_class=(0.12, 0.87),
        en="has a wide nose",
        id="berhidung lebar",
    ),
    Flag(
        name="nose_long",
        by_class=(0.12, 0.87),
        en="has a long nose",
        id="berhidung panjang",
    ),
    Flag(
        name="lips_thin",
        by_class=(0.12, 0.87),
        en="has thin lips",
        id="berbibir tipis",
    ),
)
NAMES = tuple(feature.name for feature in FEATURES)

# What a file of training data may hold beside the features.
TARGET = "gender"
IGNORED_COLUMNS = ("distance_nose_to_lip_long",)


def fingerprint() -> str:
    """Identify what a model must agree with the server on: features, their kinds and ranges, and classes, in order.

    Returns:
        sha256 as 64 hexadecimal digits. A stored model with another fingerprint is not served.
    """
    agreed = [(type(f).__name__, f.name, f.low, f.high, asdict(f).get("unit")) for f in FEATURES]
    return hashlib.sha256(json.dumps([agreed, CLASSES]).encode()).hexdigest()


def _flag(value: object) -> object:
    # 1.0 is how many clients write 1; True is not a measurement, although Python calls it an int.
    if isinstance(value, bool):
        raise ValueError("expected 0 or 1, not a boolean")
    return int(value) if isinstance(value, float) and value in (0.0, 1.0) else value


def _field(feature: Feature) -> tuple[Any, Any]:
    kind: Any
    examples: list[float]
    if isinstance(feature, Flag):
        # Field stands before the validator so that its bounds stay in the JSON schema.
        kind, examples = Annotated[int, Field(strict=True, ge=0, le=1), BeforeValidator(_flag)], [0, 1]
    else:
        bounds = Field(strict=True, ge=feature.low, le=feature.high, allow_inf_nan=False)
        kind, examples = Annotated[float, bounds], [mean for mean, _ in feature.by_class]
    return kind, Field(description=f"{feature.en}; {feature.expected}", examples=examples)


_EXAMPLE = {f.name: 1 if isinstance(f, Flag) else f.by_class[-1][0] for f in FEATURES}

if TYPE_CHECKING:

    class Row(BaseModel):
        """One row of the table, validated."""

    class Probabilities(BaseModel):
        """The probability of each class."""

    class Contributions(BaseModel):
        """The log-odds that each feature adds."""
else:
    Row = create_model(
        "Row",
        __doc__="One row of the table.",
        __config__=ConfigDict(extra="forbid", frozen=True, json_schema_extra={"examples": [_EXAMPLE]}),
        **{feature.name: _field(feature) for feature in FEATURES},
    )
    Probabilities = create_model(
        "Probabilities",
        __doc__="The probability of each class.",
        **{name: (Annotated[float, Field(ge=0, le=1)], ...) for name in CLASSES},
    )
    Contributions = create_model(
        "Contributions",
        __doc__=f"Log-odds towards {CLASSES[-1]} that each feature adds, natural logarithm.",
        **{feature.name: (float, Field(description=feature.en)) for feature in FEATURES},
    )

_values = attrgetter(*NAMES)


def values(row: Row) -> tuple[float, ...]:
    """Return the d values of a row, in the schema's order."""
    found: tuple[float, ...] = _values(row)
    return found


def to_array(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Return the values of n rows, float64 [n, d], in the schema's order."""
    return np.array([_values(row) for row in rows], dtype=np.float64)


Label = Literal[CLASSES]  # type: ignore[valid-type]


class Prediction(BaseModel):
    """The answer about one row."""

    prediction_id: str = Field(description="names this prediction, for feedback")
    label: Label
    probability: float = Field(ge=0, le=1, description="of the label")
    probabilities: Probabilities
    outlier: bool = Field(description="the row is unlike the training data")
    model: str = Field(description="tag of the model that answered")


class Receipt(BaseModel):
    """The answer about the true label of a prediction."""

    prediction_id: str = Field(description="names the prediction")
    actual: Label
    recorded: bool = Field(description="false if the log is sampled and leaves this prediction out")


class Explanation(BaseModel):
    """Why a row gets its probability: prior + the sum of contributions = log_odds, exactly."""

    model: str = Field(description="tag of the model that answered")
    log_odds: float = Field(description=f"of {CLASSES[-1]} against {CLASSES[0]}, natural logarithm")
    prior: float = Field(description="log-odds before any feature is seen")
    contributions: Contributions
    probability: float = Field(ge=0, le=1, description=f"of {CLASSES[-1]}")
    log_density: float = Field(description="log density of the row under the model")
    outlier: bool = Field(description="the row is unlike the training data")
