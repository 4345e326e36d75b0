"""Tensors to rows: what is read and what is refused, without a server."""

import numpy as np
import pytest

from serving.errors import RequestError
from serving.rows import RowsError, check
from serving.schema import CLASSES, FEATURES, MAX_ROWS, NAMES, Flag, Row
from serving.tensors import DATATYPES, Head, check_heads, check_outputs, from_list, from_raw, to_rows
from tests.models import plausible_rows

WIDTH = len(NAMES)
NUMBER = next(j for j, feature in enumerate(FEATURES) if not isinstance(feature, Flag))
FLAG = next(j for j, feature in enumerate(FEATURES) if isinstance(feature, Flag))


@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_one_tensor_is_rows(datatype: str) -> None:
    rows = plausible_rows(7, seed=1).astype(DATATYPES[datatype])
    head = Head("input", datatype, [7, WIDTH])
    check_heads([head])
    assert np.array_equal(to_rows([head], [from_raw(head, rows.tobytes())]), rows)
    assert np.array_equal(to_rows([head], [from_list(head, rows.ravel().tolist())]), rows)
    assert np.array_equal(to_rows([head], [from_list(head, rows.tolist())]), rows)


@pytest.mark.parametrize("shape", [[3], [3, 1]])
@pytest.mark.parametrize("datatype", DATATYPES)
def test_a_tensor_for_each_feature_is_rows(datatype: str, shape: list[int]) -> None:
    # A measurement is no truth value: with BOOL flags it comes as UINT8.
    kinds = [datatype if isinstance(f, Flag) or datatype != "BOOL" else "UINT8" for f in FEATURES]
    values = np.array([[1 if isinstance(f, Flag) else np.ceil(f.typical[0]) for f in FEATURES]] * 3, dtype=np.float64)
    heads = [Head(name, kind, shape) for name, kind in zip(NAMES, kinds, strict=True)]
    check_heads(heads)
    columns = [column.astype(DATATYPES[kind]) for column, kind in zip(values.T, kinds, strict=True)]
    backwards = list(reversed(heads)), list(reversed(columns))
    assert np.array_equal(to_rows(heads, columns), values)
    assert np.array_equal(
        to_rows(backwards[0], [from_raw(h, c.tobytes()) for h, c in zip(*backwards, strict=True)]), values
    )
    nested = [from_list(h, c.reshape(shape).tolist()) for h, c in zip(heads, columns, strict=True)]
    assert np.array_equal(to_rows(heads, nested), values)


def heads(*names: str, datatype: str = "FP64", shape: tuple[int, ...] = (1,)) -> list[Head]:
    return [Head(name, datatype, shape) for name in names]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (heads("input", NAMES[0], shape=(1, WIDTH)), "input came with other inputs"),
        (heads("input", "input", shape=(1, WIDTH)), "input came with other inputs"),
        (heads("input", datatype="INT64", shape=(1, WIDTH)), "input has datatype INT64; expected FP64, FP32"),
        (heads("input", shape=(WIDTH,)), rf"input has shape \[{WIDTH}\]; expected \[n, {WIDTH}\]"),
        (heads("input", shape=(1, WIDTH + 1)), rf"input has shape \[1, {WIDTH + 1}\]"),
        (heads("input", shape=(0, WIDTH)), "with n from 1 to"),
        (heads("input", shape=(-1, WIDTH)), "with n from 1 to"),
        (heads("input", shape=(MAX_ROWS + 1, WIDTH)), "with n from 1 to"),
        (heads("input", shape=(1, 1, WIDTH)), "input has shape"),
        (heads(*NAMES, "nonsense" * 20), r"there is no input nonsense.*\.\.\.; expected input"),
        (heads(*NAMES[1:]), f"missing inputs: {NAMES[0]}; expected"),
        (heads(*NAMES, NAMES[0]), f"the input {NAMES[0]} came 2 times"),
        (heads(*NAMES, datatype="BYTES"), "has datatype BYTES; expected BOOL"),
        (heads(*NAMES, shape=(1, 2)), r"has shape \[1, 2\]; expected \[n\] or \[n, 1\]"),
        (heads(*NAMES, shape=()), r"has shape \[\]; expected"),
        (heads(*NAMES[1:]) + heads(NAMES[0], shape=(2,)), "different numbers of rows"),
    ],
)
def test_wrong_heads(given: list[Head], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence) as caught:
        check_heads(given)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("datatype", "data", "sentence"),
    [
        ("FP64", "1", "is '1'; expected a list"),
        ("FP64", None, "is None; expected a list"),
        ("FP64", [1.0], "has 1 values; expected 2"),
        ("FP64", [1.0, True], "holds True; expected FP64 values"),
        ("FP64", [1.0, "2"], "holds '2'; expected FP64"),
        ("FP64", [1.0, None], "holds None"),
        ("FP64", [[1.0], 2.0], "nested otherwise"),
        ("FP64", [[1.0, 2.0]], "nested otherwise"),
        ("FP64", [[[1.0]], [[2.0]]], r"holds \[1.0\]; expected FP64"),
        ("FP64", [1.0, 10**400], "holds a value that FP64 cannot"),
        ("INT8", [1, 200], "holds a value that INT8 cannot"),
        ("UINT8", [1, -1], "holds a value that UINT8 cannot"),
        ("INT64", [1, 1.5], "holds 1.5; expected INT64 values"),
        ("INT64", [1, 10**400], "holds a value that INT64 cannot"),
        ("BOOL", [True, 1], "holds 1; expected BOOL values"),
    ],
)
def test_wrong_json_data(datatype: str, data: object, sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        from_list(Head(NAMES[0], datatype, [2, 1]), data)


@pytest.mark.parametrize("length", [0, 15, 17, 32])
def test_raw_data_of_another_length(length: int) -> None:
    with pytest.raises(RequestError, match=f"has {length} bytes; expected 16, as many as FP64"):
        from_raw(Head(NAMES[0], "FP64", [2]), bytes(length))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_rows_refuse_what_is_no_measurement(value: float) -> None:
    rows = plausible_rows(3, seed=2)
    rows[1, NUMBER] = value
    with pytest.raises(RowsError, match=rf"^here 1 {NAMES[NUMBER]} is .*; expected {FEATURES[NUMBER].expected[:8]}"):
        check(rows, lambda i, name: f"here {i} {name}")


def test_rows_name_every_problem_and_count_the_implausible() -> None:
    rows = plausible_rows(4, seed=3)
    rows[0, NUMBER] = FEATURES[NUMBER].high + 1
    rows[1, FLAG] = 0.5
    rows[2, FLAG] = 2
    rows[3, NUMBER] = np.nan
    with pytest.raises(RowsError, match=r"; 3 more problems in detail$") as caught:
        check(rows, lambda i, name: f"{i}.{name}")
    assert [item["location"] for item in caught.value.detail] == [
        [0, NAMES[NUMBER]],
        [1, NAMES[FLAG]],
        [2, NAMES[FLAG]],
        [3, NAMES[NUMBER]],
    ]
    assert caught.value.implausible == [NAMES[NUMBER], NAMES[FLAG]]


def test_rows_accept_exactly_what_a_row_accepts() -> None:
    # every feature at, just inside and just outside its bounds
    row = {f.name: 1.0 if isinstance(f, Flag) else f.by_class[0][0] for f in FEATURES}
    for j, feature in enumerate(FEATURES):
        for bound in (feature.low, feature.high):
            for value in (bound, np.nextafter(bound, -np.inf), np.nextafter(bound, np.inf)):
                array = np.array([list(row.values())])
                array[0, j] = value
                accepted = True
                try:
                    check(array, lambda i, name: name)
                except RowsError:
                    accepted = False
                try:
                    Row.model_validate(row | {feature.name: float(value)})
                    assert accepted, (feature.name, value)
                except ValueError:
                    assert not accepted, (feature.name, value)


def test_outputs() -> None:
    assert check_outputs([]) == ("label", "probabilities", "outlier", "prediction_id")
    assert check_outputs(["label"]) == ["label"]
    with pytest.raises(RequestError, match="there is no output x; expected label, "):
        check_outputs(["x"])
    with pytest.raises(RequestError, match="requested twice"):
        check_outputs(["label", "label"])
    assert len(CLASSES) > 1
