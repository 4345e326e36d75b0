"""How good probabilities are, in numbers."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

from serving.model import Floats

CALIBRATION_BINS = 10


def calibration_bins(probability: Floats, happened: NDArray[np.bool_]) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Group probabilities, [n], by tenths from 0 to 1.

    Returns:
        Of each group that is not empty: the mean probability, the share that happened, the number of rows.
    """
    group = np.minimum((probability * CALIBRATION_BINS).astype(np.intp), CALIBRATION_BINS - 1)
    count = np.bincount(group, minlength=CALIBRATION_BINS)
    full = count > 0
    mean, share = (
        np.bincount(group, weights=values, minlength=CALIBRATION_BINS)[full] / count[full]
        for values in (probability, happened.astype(np.float64))
    )
    return mean, share, count[full]


def calibration_error(probabilities: Floats, codes: NDArray[np.intp]) -> float:
    """Expected calibration error over ten equal-width bins, averaged over the classes.

    It is the mean distance between predicted probability and observed share, weighted by rows. With two classes both
    have the same error, up to probabilities on the very edge of a bin.
    """
    errors = []
    for k, probability in enumerate(probabilities.T):
        mean, share, count = calibration_bins(probability, codes == k)
        errors.append(np.average(np.abs(mean - share), weights=count))
    return float(np.mean(errors))


def measure(codes: NDArray[np.intp], probabilities: Floats) -> dict[str, float]:
    """Score probabilities, [n, K], against the true classes, int [n].

    Returns:
        accuracy; auc: area under the ROC curve, for more than two classes one against the rest, averaged; log_loss in
        nats; brier: mean squared error of the last class's probability, for more than two classes summed over them;
        calibration_error.
    """
    classes = probabilities.shape[1]
    labels = np.arange(classes)
    auc_of = probabilities if classes > 2 else probabilities[:, 1]
    return {
        "accuracy": float(accuracy_score(codes, probabilities.argmax(axis=1))),
        "auc": float(roc_auc_score(codes, auc_of, multi_class="ovr", labels=labels)),
        "log_loss": float(log_loss(codes, probabilities, labels=labels)),
        "brier": float(brier_score_loss(codes, probabilities, labels=labels)),
        "calibration_error": calibration_error(probabilities, codes),
    }
