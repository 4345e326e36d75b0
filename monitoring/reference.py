"""The training rows that reports compare with.

The stored model carries its training rows as bins, not as rows. So the reference
is the training data set itself where the monitor has it and it is the one the model was trained on; elsewhere rows are
drawn from the bins, each feature for itself: good for the distribution of every single column, not for what ties them.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from monitoring.settings import MonitorError
from serving import store
from serving.model import Floats
from serving.reference import Bins
from serving.schema import CLASSES, FEATURES, NAMES, TARGET, Flag, Number

DRAWN_ROWS = 5000


@dataclass(frozen=True)
class Training:
    """What the monitor knows of a model's training.

    Args:
        rows: features, `actual` if known, `label` and `probability` as the model answers.
        source: where the rows come from, in words.
        accuracy: by cross-validation; None if the model does not say.
    """

    rows: pd.DataFrame
    source: str
    accuracy: float | None

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Lowest and highest value of each number."""
        numbers = [feature.name for feature in FEATURES if isinstance(feature, Number)]
        return {name: (float(self.rows[name].min()), float(self.rows[name].max())) for name in numbers}


def load(tag: str, dataset: Path) -> Training:
    """Load the training rows of a stored model.

    Raises:
        MonitorError: the model is not in the store or not whole.
    """
    try:
        stored = store.load(tag)
    except store.ModelError as error:
        raise MonitorError(str(error)) from error
    metrics = json.loads((stored.path / "metrics.json").read_bytes())
    if _is_trained_on(dataset, stored.metadata):
        frame = pd.read_csv(dataset)
        rows, source = frame[list(NAMES)].astype("float64"), f"{dataset}, the rows of {stored.tag}'s training"
        rows["actual"] = frame[TARGET].astype(str)
    else:
        random = np.random.default_rng(0)
        drawn = {f.name: _draw(stored.reference.features[f.name], f, random) for f in FEATURES}
        rows, source = pd.DataFrame(drawn), f"drawn from the bins that {stored.tag} carries"
    scores = stored.model.score(rows[list(NAMES)].to_numpy())
    rows["label"] = np.array(CLASSES)[scores.label]
    rows["probability"] = scores.probabilities[:, -1]
    accuracy = metrics.get("accuracy")
    return Training(rows, source, float(accuracy) if accuracy is not None else None)


def _is_trained_on(dataset: Path, metadata: dict[str, object]) -> bool:
    try:
        return hashlib.sha256(dataset.read_bytes()).hexdigest() == metadata.get("data_sha256")
    except OSError:
        return False


def _draw(bins: Bins, feature: Flag | Number, random: np.random.Generator) -> Floats:
    """Draw `DRAWN_ROWS` values: a bin by its share, then evenly inside; the open bins end where typical values do."""
    chosen = random.choice(len(bins.ratios), DRAWN_ROWS, p=np.array(bins.ratios) / sum(bins.ratios))
    if isinstance(feature, Flag):
        return chosen.astype(np.float64)
    low, high = feature.typical
    bounds = np.array([min(low, *bins.edges), *bins.edges, max(high, *bins.edges)])
    values = random.uniform(bounds[chosen], bounds[chosen + 1])
    drawn: Floats = np.round(np.round(values / feature.step) * feature.step, 10)
    return drawn
