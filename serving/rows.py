"""Rows that come as numbers in an array: the same rules as `schema.Row`, for thousands at once."""

from collections.abc import Callable, Iterable

import numpy as np

from serving.errors import RequestError
from serving.model import Floats
from serving.schema import FEATURES, NAMES, Flag

_LOW = np.array([feature.low for feature in FEATURES], dtype=np.float64)
_HIGH = np.array([feature.high for feature in FEATURES], dtype=np.float64)
_FLAGS = np.array([isinstance(feature, Flag) for feature in FEATURES])
_RULES = list(zip(_LOW.tolist(), _HIGH.tolist(), _FLAGS.tolist(), strict=True))
_MOST_DETAILS = 100


class RowsError(RequestError):
    """Values that `schema.Row` would refuse too. `implausible`: names of features with values out of range."""

    def __init__(self, message: str, detail: list[dict[str, object]], implausible: list[str]) -> None:
        super().__init__(400, message, detail)
        self.implausible = implausible


def is_right(row: Iterable[float]) -> bool:
    """Tell whether `check` lets d values pass."""
    for value, (low, high, flag) in zip(row, _RULES, strict=True):
        if not low <= value <= high or (flag and value not in (0.0, 1.0)):
            return False
    return True


def check(rows: Floats, where: Callable[[int, str], str]) -> None:
    """Check n rows, float64 [n, d].

    Args:
        where: names the place of a value to the client, from row index and feature name.

    Raises:
        RowsError: a value is not finite, out of the plausible range, or no flag.
    """
    fine = (rows >= _LOW) & (rows <= _HIGH)
    if fine.all() and ((flags := rows[:, _FLAGS]) == np.rint(flags)).all():
        return
    with np.errstate(invalid="ignore"):
        wrong = ~fine | (_FLAGS & (rows != np.rint(rows)))
    places = np.argwhere(wrong)
    items: list[dict[str, object]] = [
        {
            "error": f"{where(i, NAMES[j])} is {rows[i, j]:g}; expected {FEATURES[j].expected}",
            "location": [i, NAMES[j]],
            "type": "implausible" if np.isfinite(rows[i, j]) else "not_finite",
        }
        for i, j in places[:_MOST_DETAILS].tolist()
    ]
    others = len(places) - 1
    more = f"; {others} more problem{'s' if others > 1 else ''} in detail" if others else ""
    outside = np.isfinite(rows) & ~fine
    names = [NAMES[j] for _, j in np.argwhere(outside).tolist()]
    raise RowsError(f"{items[0]['error']}{more}", items, names)
