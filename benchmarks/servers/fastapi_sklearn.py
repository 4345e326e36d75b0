"""FastAPI and scikit-learn, as their tutorials put them together. `async def` is the faster of the two ways."""

from typing import Any

import numpy as np
from fastapi import FastAPI
from given import estimator, model
from pydantic import BaseModel, create_model

GIVEN = model()
CLASSES = GIVEN["classes"]
Row: Any = create_model("Row", **dict.fromkeys(GIVEN["features"], (float, ...)))


class Rows(BaseModel):
    rows: list[Row]


class Prediction(BaseModel):
    label: str
    probabilities: dict[str, float]


app = FastAPI()
classifier = estimator()


def predictions(rows: list[Any]) -> list[Prediction]:
    probabilities = classifier.predict_proba(np.array([list(row.model_dump().values()) for row in rows]))
    return [
        Prediction(label=CLASSES[each.argmax()], probabilities=dict(zip(CLASSES, each.tolist(), strict=True)))
        for each in probabilities
    ]


@app.post("/predict_one")
async def predict_one(row: Row) -> Prediction:  # type: ignore[valid-type]
    return predictions([row])[0]


@app.post("/predict")
async def predict(body: Rows) -> list[Prediction]:
    return predictions(body.rows)


@app.get("/livez")
async def livez() -> None:
    return None
