"""SDV in the environment that `make synthesize` gives it, on few rows; what judges it, on rows that are known."""

import json
import os
import subprocess
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from serving.schema import CLASSES, NAMES, TARGET
from training import builtin, privacy, settings, synthesize
from training.card import SOURCES
from training.data import read_csv
from training.stage import TrainingError

ROOT = Path(__file__).parents[2]
ASKED = settings.Synthesize(path="", rows=500, held_out=0.25, seed=7)


def values(frame: pd.DataFrame) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    return np.asarray(frame[list(NAMES)], dtype=np.float64)


def test_a_copy_is_told_from_rows_that_only_look_alike() -> None:
    real, fresh = values(builtin.synthesize(300, seed=1)), values(builtin.synthesize(300, seed=2))
    copied, honest = privacy.privacy(real, real), privacy.privacy(fresh, real)
    assert copied == {"exact_matches": 1, "distance_mean": 0, "distance_5pct": 0}
    assert 0 < honest["exact_matches"] < 0.9
    assert honest["distance_mean"] > 0.01


def test_rows_without_meaning_train_a_worse_model() -> None:
    real, test = builtin.synthesize(1000, seed=1), builtin.synthesize(1000, seed=2)
    shuffled = real.assign(**{TARGET: real[TARGET].sample(frac=1, random_state=1).to_numpy()})
    utility = synthesize.judge(real, test, {"shuffled": shuffled})["utility"]
    assert utility["real"]["log_loss"] < 0.3
    assert utility["shuffled"]["log_loss"] > 2 * utility["real"]["log_loss"]


def test_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(synthesize, "PYTHON", tmp_path / "python")
    with pytest.raises(TrainingError, match="make synthesize"):
        synthesize.draw(builtin.synthesize(10, seed=1), 10)


def test_the_card_says_where_rows_of_every_source_come_from() -> None:
    assert SOURCES.keys() == set(get_args(settings.Data.model_fields["source"].annotation))


@pytest.fixture(scope="session")
def sdv() -> None:
    """See to SDV's environment, as its users do."""
    subprocess.run(["make", ".venv-synthesize/.installed"], cwd=ROOT, check=True, timeout=600)


@pytest.mark.slow
@pytest.mark.usefixtures("sdv")
def test_sdv_on_500_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = os.environ.get("GENDER_CSV")
    frame = read_csv(Path(given), 5).sample(500, random_state=7) if given else builtin.synthesize(500, seed=7)
    frame.to_csv(tmp_path / "real.csv", index=False)
    monkeypatch.chdir(tmp_path)
    synthesize.synthesize(Path("real.csv"), ASKED, folds=5)

    drawn = read_csv(synthesize.OUTPUT, 5)  # valid by the rules of every other source
    assert abs(len(drawn) - 500) <= len(CLASSES)
    found = json.loads((synthesize.REPORTS / "report.json").read_text())
    assert found["sdmetrics"]["per_class"]["quality"]["score"] > 0.9
    assert found["sdmetrics"]["per_class"]["diagnostic"]["score"] == 1
    utility = found["utility"]
    assert utility.keys() == {"real", "per_class", "joint", "builtin"}
    # 125 rows are held out, on which log-loss is half noise: a good model all the same, and the joint copula's defect.
    assert utility["per_class"]["accuracy"] > 0.85
    assert utility["per_class"]["log_loss"] < 0.4
    assert utility["joint"]["calibration_error"] > utility["per_class"]["calibration_error"]
    assert found["privacy"].keys() == {"held_out", "per_class", "joint", "builtin"}


@pytest.mark.slow
@pytest.mark.usefixtures("sdv")
def test_what_sdv_refuses_is_one_sentence() -> None:
    with pytest.raises(TrainingError, match="SDV could not synthesize") as raised:
        synthesize.draw(builtin.synthesize(1, seed=1).head(0), 10)
    assert "\n" not in str(raised.value)
