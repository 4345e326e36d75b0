"""params.yaml, checked: every value has one type and a sensible range, unknown names are refused."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.stage import TrainingError

PATH = Path("params.yaml")

Share = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Section):
    source: Literal["builtin", "sdv", "csv", "kaggle"]
    path: str
    rows: int = Field(gt=0)
    seed: Seed
    kaggle: str = Field(pattern=r"^[^/\s]+/[^/\s]+/[^/\s]+$")


class Synthesize(_Section):
    path: str
    rows: int = Field(gt=0)
    held_out: Share
    seed: Seed


class Train(_Section):
    var_smoothing: tuple[Annotated[float, Field(gt=0)], ...] = Field(min_length=1)
    chosen_by: Literal["log_loss", "brier"]
    folds: int = Field(ge=2)
    seed: Seed


class Floor(_Section):
    number: float = Field(ge=0)
    flag: float = Field(ge=0)


class Reference(_Section):
    bins: int = Field(ge=2)
    alpha: Share
    floor: Floor
    outlier_share: Share


class Worse(_Section):
    log_loss: float = Field(ge=0)
    accuracy: float = Field(ge=0, lt=1)


class Slice(_Section):
    rows: int = Field(gt=0)
    below: Share


class Gate(_Section):
    holdout: Share
    rows: int = Field(gt=0)
    confidence: Share
    worse: Worse
    gain: float = Field(ge=0)
    calibration_error: Share
    recall: float = Field(ge=0)
    slice: Slice
    irrelevant: Share


class Settings(_Section):
    data: Data
    synthesize: Synthesize
    train: Train
    reference: Reference
    gate: Gate


def load(path: Path = PATH) -> Settings:
    """Read the parameters.

    Raises:
        TrainingError: the file is missing, not YAML, or holds a wrong name or value; all of them are listed.
    """
    try:
        return Settings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise TrainingError(f"{path} is not valid: {wrong}") from error
