"""How good the answers were, now that some of the true labels are known. The definitions are those of training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.model import Floats

CALIBRATION_BINS = 10


@dataclass(frozen=True)
class Quality:
    """Of the labelled predictions of a window.

    Args:
        accuracy: share whose label was right.
        brier: mean squared error of the last class's probability; for more than two classes summed over them.
        calibration_error: mean distance of predicted probability and observed share in ten bins, over the classes.
    """

    accuracy: float
    brier: float
    calibration_error: float


def measure(probabilities: Floats, codes: NDArray[np.intp]) -> Quality | None:
    """Score probabilities, [n, K], against true classes, int [n]; None without a row.

    A row with a probability that is not a number, of another schema's log, does not count.
    """
    usable = np.isfinite(probabilities).all(axis=1)
    probabilities, codes = probabilities[usable], codes[usable]
    if not len(codes):
        return None
    truth = np.eye(probabilities.shape[1])[codes]
    squared = ((probabilities - truth) ** 2).sum(axis=1).mean()
    return Quality(
        accuracy=float((probabilities.argmax(axis=1) == codes).mean()),
        brier=float(squared / 2 if probabilities.shape[1] == 2 else squared),
        calibration_error=float(np.mean([_calibration(p, t) for p, t in zip(probabilities.T, truth.T, strict=True)])),
    )


def _calibration(probability: Floats, happened: Floats) -> float:
    group = np.minimum((probability * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
    predicted, observed = (np.bincount(group, values, CALIBRATION_BINS) for values in (probability, happened))
    return float(np.abs(predicted - observed).sum() / len(probability))
