"""A BentoML service as its scikit-learn example writes it, with every default."""

import bentoml
import numpy as np
from given import estimator


@bentoml.service
class Stock:
    def __init__(self) -> None:
        self.estimator = estimator()

    @bentoml.api
    def predict(self, rows: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        probabilities: np.ndarray = self.estimator.predict_proba(rows)  # type: ignore[type-arg]
        return probabilities
