import dataclasses
import math

import numpy as np
import pytest
from pydantic import ValidationError

from serving import schema
from serving.schema import FEATURES, NAMES, Flag, Row, fingerprint, to_array
from tests.models import as_rows, plausible_rows

GOOD = as_rows(plausible_rows(1))[0]


def test_a_row_becomes_the_values_in_the_order_of_the_schema() -> None:
    values = plausible_rows(50)
    shuffled = [dict(reversed(row.items())) for row in as_rows(values)]
    assert np.array_equal(to_array([Row.model_validate(row) for row in shuffled]), values)


@pytest.mark.parametrize("feature", FEATURES, ids=NAMES)
def test_whole_numbers_and_floats_are_the_same_value(feature: schema.Feature) -> None:
    for value in (1, 1.0) if isinstance(feature, Flag) else (12, 12.0):
        row = Row.model_validate(GOOD | {feature.name: value})
        assert getattr(row, feature.name) == value


@pytest.mark.parametrize("feature", FEATURES, ids=NAMES)
def test_the_ends_of_the_range_are_plausible_and_what_lies_beyond_is_not(feature: schema.Feature) -> None:
    for value in (feature.low, feature.high):
        Row.model_validate(GOOD | {feature.name: value})
    for value in (math.nextafter(feature.low, -math.inf), math.nextafter(feature.high, math.inf)):
        with pytest.raises(ValidationError):
            Row.model_validate(GOOD | {feature.name: value})


@pytest.mark.parametrize("value", ["1", True, False, None, math.nan, math.inf, -math.inf, [1], {}, 0.5 - 1, 10**400])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_a_measurement_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Row.model_validate(GOOD | {name: value})


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_and_an_unknown_field_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=name):
        Row.model_validate({key: value for key, value in GOOD.items() if key != name})
    with pytest.raises(ValidationError, match="unknown"):
        Row.model_validate(GOOD | {"unknown": 1})


def test_the_fingerprint_changes_with_what_a_model_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {fingerprint()}
    first = FEATURES[0]
    for changed in (
        (*FEATURES[1:], first),
        (dataclasses.replace(first, name="other"), *FEATURES[1:]),
        (dataclasses.replace(first, high=2), *FEATURES[1:]),
    ):
        monkeypatch.setattr(schema, "FEATURES", changed)
        seen.add(fingerprint())
    assert len(seen) == 4
    monkeypatch.setattr(schema, "FEATURES", (dataclasses.replace(first, en="reworded"), *FEATURES[1:]))
    monkeypatch.undo()
    assert fingerprint() in seen
