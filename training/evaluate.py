"""Stage 3: how good the kept model is on rows it has not seen, next to its comparisons, to reports/."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import recall_score, roc_curve

from serving.model import Floats
from serving.schema import CLASSES
from training import crossval, dataset, figures, settings, tracking
from training.candidates import comparisons, gaussian
from training.dataset import Dataset
from training.scores import calibration_bins, measure
from training.stage import run, say
from training.tracking import Run

REPORTS = Path("reports")
METRICS = REPORTS / "metrics.json"
KEPT = "gaussian_nb"
_ROC_POINTS = 200


def predict(data: Dataset, var_smoothing: float, params: settings.Train) -> figures.Predictions:
    """Predict out of fold with the kept model, first, and with each comparison."""
    folds = crossval.split(data, params.folds, params.seed)
    estimators = {KEPT: gaussian(var_smoothing).estimator, **{c.name: c.estimator for c in comparisons()}}
    return {name: crossval.out_of_fold(estimator, data, folds) for name, estimator in estimators.items()}


def summarise(codes: NDArray[np.intp], predictions: figures.Predictions, folds: int) -> dict[str, object]:
    """Collect the metrics of the kept model and, under `comparisons`, of the others."""
    measured = {name: measure(codes, probabilities) for name, probabilities in predictions.items()}
    predicted = predictions[KEPT].argmax(axis=1)
    recall = recall_score(codes, predicted, labels=range(len(CLASSES)), average=None, zero_division=0)
    return {
        **measured.pop(KEPT),
        "recall": dict(zip(CLASSES, map(float, recall), strict=True)),
        "rows": len(codes),
        "folds": folds,
        "comparisons": measured,
    }


def tables(codes: NDArray[np.intp], probabilities: Floats) -> dict[str, pd.DataFrame]:
    """Make the data of DVC's plots, of the kept model."""
    labels = np.array(CLASSES)
    is_last = codes == len(CLASSES) - 1
    false, true, threshold = roc_curve(is_last, probabilities[:, -1])
    some = np.unique(np.linspace(0, len(false) - 1, _ROC_POINTS).astype(int))
    mean, share, rows = calibration_bins(probabilities[:, -1], is_last)
    return {
        "confusion": pd.DataFrame({"actual": labels[codes], "predicted": labels[probabilities.argmax(axis=1)]}),
        "roc": pd.DataFrame(
            {"false_positive_rate": false[some], "true_positive_rate": true[some], "threshold": threshold[some]}
        ),
        "calibration": pd.DataFrame({"predicted_probability": mean, "observed_share": share, "rows": rows}),
    }


def main() -> None:
    params = settings.load().train
    kept = Run.read()
    data = dataset.read()
    predictions = predict(data, kept.var_smoothing, params)
    metrics = summarise(data.codes, predictions, params.folds)
    plots = REPORTS / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    for name, table in tables(data.codes, predictions[KEPT]).items():
        table.to_csv(plots / f"{name}.csv", index=False, lineterminator="\n")
    figures.draw(REPORTS / "figures", data, predictions)
    METRICS.write_text(json.dumps(metrics, indent=2) + "\n")
    flat = {f"evaluation_{name}": value for name, value in metrics.items() if isinstance(value, float)}
    tracking.log_evaluation(kept, flat, REPORTS / "figures")
    say(f"evaluate: accuracy {metrics['accuracy']:.4f}, log-loss {metrics['log_loss']:.4f}, out of fold")


if __name__ == "__main__":
    run(main)
