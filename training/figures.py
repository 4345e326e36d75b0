"""The evaluation's plots, as SVG files that are the same byte for byte for the same data."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, roc_curve

from serving.model import Floats
from serving.schema import CLASSES, FEATURES, Number
from training.dataset import Dataset
from training.scores import calibration_bins

# Okabe & Ito's palette, told apart by colour-blind readers. Blue and orange come first: most tables have two classes.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
DASHES = ("-", "--", ":", "-.")
# Ids in an SVG are random unless they are salted with something fixed.
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "figures",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
}

# Out-of-fold probabilities, [n, K], by the name of the model.
Predictions = dict[str, Floats]


def draw(folder: Path, data: Dataset, predictions: Predictions) -> None:
    """Write every figure. The first of the predictions are the kept model's."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(_STYLE):
        figures = {
            "confusion": confusion(data.codes, next(iter(predictions.values()))),
            "roc": roc(data.codes, predictions),
            "calibration": calibration(data.codes, predictions),
            "features": features(data),
        }
        for name, figure in figures.items():
            figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, bbox_inches="tight")


def _axes(title: str, x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5, 4))
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    return figure, axes


def confusion(codes: NDArray[np.intp], probabilities: Floats) -> Figure:
    counts = confusion_matrix(codes, probabilities.argmax(axis=1), labels=range(len(CLASSES)))
    figure, axes = _axes("Confusion, out of fold (rows)", "predicted", "actual")
    image = axes.imshow(counts, cmap="Blues", vmin=0)
    axes.set_xticks(range(len(CLASSES)), CLASSES)
    axes.set_yticks(range(len(CLASSES)), CLASSES)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if count > counts.max() / 2 else "black"
        axes.text(column, row, f"{count:,}", ha="center", va="center", color=colour)
    figure.colorbar(image, ax=axes, label="rows")
    return figure


def roc(codes: NDArray[np.intp], predictions: Predictions) -> Figure:
    figure, axes = _axes(f"ROC of {CLASSES[-1]}, out of fold", "false positive rate", "true positive rate")
    for i, (name, probabilities) in enumerate(predictions.items()):
        false, true, _ = roc_curve(codes == len(CLASSES) - 1, probabilities[:, -1])
        axes.plot(false, true, color=COLOURS[i], linestyle=DASHES[i], label=name)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, label="chance")
    axes.legend(loc="lower right")
    return figure


def calibration(codes: NDArray[np.intp], predictions: Predictions) -> Figure:
    title = f"Calibration of P({CLASSES[-1]}), out of fold"
    figure, axes = _axes(title, "predicted probability", "observed share")
    for i, (name, probabilities) in enumerate(predictions.items()):
        mean, share, _ = calibration_bins(probabilities[:, -1], codes == len(CLASSES) - 1)
        axes.plot(mean, share, marker="o", markersize=4, color=COLOURS[i], linestyle=DASHES[i], label=name)
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, label="perfect")
    axes.legend(loc="upper left")
    return figure


def features(data: Dataset) -> Figure:
    """Draw how each class is spread over each feature: shares, so that classes of different size compare."""
    columns = 3
    rows = -(-len(FEATURES) // columns)
    figure = Figure(figsize=(4 * columns, 3.2 * rows), layout="constrained")
    figure.suptitle("Features by class, training data")
    for place, feature in enumerate(FEATURES, 1):
        axes = figure.add_subplot(rows, columns, place)
        number = isinstance(feature, Number)
        axes.set(title=feature.en, ylabel="share of the class")
        axes.set_xlabel(f"{feature.name} ({feature.unit})" if isinstance(feature, Number) else feature.name)
        values = data.features[feature.name].to_numpy()
        edges = np.linspace(values.min(), values.max(), 21).tolist() if number else [-0.5, 0.5, 1.5]
        for k, label in enumerate(CLASSES):
            of_class = values[data.codes == k]
            share = np.full(len(of_class), 1 / len(of_class))
            axes.hist(of_class, edges, weights=share, color=COLOURS[k], alpha=0.55, label=label)
        if not number:
            axes.set_xticks([0, 1])
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(CLASSES))
    return figure
