"""The model card: what somebody must know before using the model, in Markdown, made from the schema and the run."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from serving.model import Parameters
from serving.reference import Reference
from serving.schema import CLASSES, FEATURES, MODEL_NAME, NAMES, TARGET, Flag

SOURCES = {
    "builtin": (
        "Synthetic rows, drawn class by class from two-digit statistics of a public data set; it has no row of it. "
        "Features are independent given the class. Scores on these rows say how well the pipeline works, not how well "
        "the model does on people."
    ),
    "sdv": (
        "Synthetic rows, drawn by SDV from a file given by whoever trained the model. They may equal rows of it, know "
        "nothing that it does not know, and leave out whom it leaves out."
    ),
    "csv": "A file given by whoever trained the model. How it was collected, and whom it leaves out, is theirs to say.",
    "kaggle": "A public data set from Kaggle. How its rows were collected is not documented, its licence unclear.",
}


def _table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(header)]
    lines += [["---"] * len(lines[0]), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _flat(metrics: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in metrics.items():
        if isinstance(value, dict) and name != "comparisons":
            yield from ((f"{name} of {label}", f"{of:.4f}") for label, of in value.items())
        elif not isinstance(value, dict):
            yield name.replace("_", " "), f"{value:.4f}" if isinstance(value, float) else f"{value:,}"


def _origin(metadata: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in metadata.items():
        text = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        yield name, f"`{text}`"


def write_card(
    parameters: Parameters, reference: Reference, metrics: Mapping[str, Any], metadata: Mapping[str, Any]
) -> str:
    """Write the card.

    Args:
        metrics: as in reports/metrics.json.
        metadata: as it goes into the BentoML store.
    """
    features = _table(["feature", "meaning", "expected"], ((f"`{f.name}`", f.en, f.expected) for f in FEATURES))
    learned = _table(
        ["feature", *(f"{label}: {what}" for label in CLASSES for what in ("mean", "variance"))],
        (
            [f"`{name}`", *(f"{v[k, j]:.4f}" for k in range(len(CLASSES)) for v in (parameters.mean, parameters.var))]
            for j, name in enumerate(NAMES)
        ),
    )
    scores = ["accuracy", "auc", "log_loss", "brier", "calibration_error"]
    others = {"gaussian_nb (this model)": metrics, **metrics.get("comparisons", {})}
    compared = _table(
        ["model", *(score.replace("_", " ") for score in scores)],
        ([name, *(f"{of[score]:.4f}" for score in scores)] for name, of in others.items()),
    )
    flags = ", ".join(f"`{f.name}`" for f in FEATURES if isinstance(f, Flag))
    return f"""# Model card: {MODEL_NAME}

A Gaussian naive Bayes classifier. It says which of {", ".join(CLASSES)} (`{TARGET}`) a row of {len(FEATURES)} features
is more like, with a probability, the exact contribution of each feature, and whether the row is unlike the training
data.

## Data

{SOURCES[metadata["data_source"]]}

{reference.rows:,} rows. sha256 of the prepared file: `{metadata["data_sha256"]}`.

{features}

## Use

Made to show, teach and test how a tabular classifier is trained, served and watched.

Do not use it to decide anything about a person: not for access, hiring, pricing, policing, medicine or advertising, and
not to label people who have not asked for it. The classes are labels in a data set. They are not a person's identity,
which no measurement tells; whoever fits neither label is misrepresented by every answer.

## Metrics

Out of fold, {metrics["folds"]} folds, grouped: rows with equal features are never trained and tested on at once.
The calibration error is the expected one over ten bins of equal width.

{_table(["metric", "value"], _flat(metrics))}

Beside it, on the same folds:

{compared}

## Limits

Naive Bayes takes the features for independent given the class, and this one takes each of them for normal, the flags
too: {flags}.
Where that is wrong, its probabilities are off: see the calibration error. Rows of a log density below
{reference.outlier_below:.3f} are marked as outliers; there the answer is a guess.

## Parameters

var_smoothing {metadata["var_smoothing"]:g}, which the variances include. Priors: \
{", ".join(f"{label} {prior:.4f}" for label, prior in zip(CLASSES, np.exp(parameters.log_prior), strict=True))}.

{learned}

## Origin

{_table(["what", "value"], _origin(metadata))}
"""
