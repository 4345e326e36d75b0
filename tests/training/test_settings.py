"""params.yaml is checked before anything uses it."""

from pathlib import Path

import pytest
import yaml

from training import settings
from training.stage import TrainingError

PARAMS = Path(__file__).parents[2] / "params.yaml"


def test_the_projects_own_are_valid_and_fit_on_a_screen() -> None:
    assert settings.load(PARAMS).data.source == "builtin"
    assert len(PARAMS.read_text().splitlines()) < 45


@pytest.mark.parametrize(
    ("section", "name", "value", "words"),
    [
        ("data", "source", "internet", "data.source"),
        ("data", "rows", 0, "data.rows"),
        ("data", "kaggle", "no-slash", "data.kaggle"),
        ("train", "folds", 1, "train.folds"),
        ("train", "var_smoothing", [], "train.var_smoothing"),
        ("train", "var_smoothing", [-1], "train.var_smoothing"),
        ("train", "chosen_by", "luck", "train.chosen_by"),
        ("reference", "alpha", 1, "reference.alpha"),
        ("gate", "holdout", 1, "gate.holdout"),
        ("reference", "spelt_wrong", 1, "reference.spelt_wrong"),
    ],
)
def test_wrong_values_are_named(section: str, name: str, value: object, words: str, tmp_path: Path) -> None:
    params = yaml.safe_load(PARAMS.read_text())
    params[section][name] = value
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(params))
    with pytest.raises(TrainingError, match=words):
        settings.load(file)


@pytest.mark.parametrize("text", ["", "a: [", "3"])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(TrainingError, match=r"params\.yaml"):
        settings.load(file)
