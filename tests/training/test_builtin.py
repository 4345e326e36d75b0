"""The embedded data are what the schema says, and train a model that works on real rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal
from sklearn.naive_bayes import GaussianNB

from serving.schema import CLASSES, FEATURES, NAMES, TARGET, Feature, Number
from training.builtin import synthesize
from training.data import read_csv

ROWS = synthesize(5000, seed=7)


def test_a_seed_gives_the_same_rows() -> None:
    assert_frame_equal(ROWS, synthesize(5000, seed=7))
    assert not ROWS.equals(synthesize(5000, seed=8))


def test_columns_are_the_schemas() -> None:
    assert tuple(ROWS.columns) == (*NAMES, TARGET)
    assert set(ROWS[TARGET]) == set(CLASSES)


@pytest.mark.parametrize("label", CLASSES)
@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: str(feature.name))
def test_statistics_are_the_schemas(feature: Feature, label: str) -> None:
    values = ROWS.loc[ROWS[TARGET] == label, feature.name]
    k = CLASSES.index(label)
    # Clipping moves the mean of the wider class by about a twentieth of a deviation.
    mean = feature.by_class[k][0] if isinstance(feature, Number) else feature.by_class[k]
    assert values.mean() == pytest.approx(mean, abs=0.06)
    if isinstance(feature, Number):
        assert values.between(*feature.typical).all()
        steps = values / feature.step
        assert np.allclose(steps, steps.round())
        assert values.std() == pytest.approx(feature.by_class[k][1], rel=0.15)
    else:
        assert set(values) == {0, 1}


def test_classes_are_equally_likely() -> None:
    assert (ROWS[TARGET] == CLASSES[0]).mean() == pytest.approx(1 / len(CLASSES), abs=0.03)


def test_a_model_of_it_works_on_real_rows(gender_csv: Path) -> None:
    real = read_csv(gender_csv, folds=5)
    model = GaussianNB().fit(ROWS[list(NAMES)], ROWS[TARGET])
    assert model.score(real[list(NAMES)], real[TARGET]) >= 0.955


def test_written_and_read_again_they_are_the_same(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    ROWS.to_csv(file, index=False)
    again: pd.DataFrame = read_csv(file, folds=5)
    assert_frame_equal(again, ROWS, check_dtype=False)
