"""Rows to begin with, derived from the schema."""

from serving.schema import CLASSES, FEATURES, NAMES, Feature, Flag


def _typical(feature: Feature, k: int) -> float:
    return round(feature.by_class[k]) if isinstance(feature, Flag) else feature.by_class[k][0]


def _between(place: int, feature: Feature) -> float:
    if isinstance(feature, Flag):
        return place % 2
    middle = sum(mean for mean, _ in feature.by_class) / len(CLASSES)
    return round(round(middle / feature.step) * feature.step, 6)


def _unusual(feature: Feature) -> float:
    return 1 if isinstance(feature, Flag) else feature.high


# By the key of their text.
EXAMPLES: dict[str, dict[str, float]] = {
    **{label: {f.name: _typical(f, k) for f in FEATURES} for k, label in enumerate(CLASSES)},
    "between": {f.name: _between(j, f) for j, f in enumerate(FEATURES)},
    "unusual": {f.name: _unusual(f) for f in FEATURES},
}


def example_csv() -> str:
    """Return a file with one row for each example."""
    lines = [",".join(f"{row[name]:g}" for name in NAMES) for row in EXAMPLES.values()]
    return "\n".join([",".join(NAMES), *lines, ""])
