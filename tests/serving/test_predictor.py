import time
import uuid

import pytest

from serving import store
from serving.predictor import Predictor, prediction_ids
from tests.models import plausible_rows


@pytest.mark.parametrize("n", [1, 2, 1000])
def test_ids_are_uuids_of_version_7_that_begin_with_the_time(n: int) -> None:
    before = time.time_ns() // 1_000_000
    ids = prediction_ids(n)
    after = time.time_ns() // 1_000_000
    made = [uuid.UUID(hex=each) for each in ids]
    assert len(set(ids)) == n
    assert {(each.version, each.variant) for each in made} == {(7, uuid.RFC_4122)}
    assert all(before <= each.int >> 80 <= after for each in made)
    assert [each.hex for each in made] == ids


def test_a_row_is_answered_the_same_alone_as_among_others(tag: str) -> None:
    predictor = Predictor(store.load(tag))
    rows = plausible_rows(200)
    together = predictor.predict(rows, "http")
    for i, row in enumerate(rows):
        forms = (predictor.predict(row[None], "http"), predictor.predict(tuple(row.tolist()), "http"))
        for alone in forms:
            assert [part[0] for part in alone.lists] == [part[i] for part in together.lists]
            assert len(alone) == len(alone.ids) == 1
