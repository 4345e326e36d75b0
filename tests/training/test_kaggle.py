"""The Kaggle source, up to the network."""

from pathlib import Path
from unittest.mock import Mock

import kagglehub
import pytest
from kagglehub.exceptions import CredentialError

from training import kaggle, prepare, settings
from training.builtin import synthesize
from training.stage import TrainingError

NAME = "owner/set/file.csv"
DATA = settings.Data(source="kaggle", path="training/kaggle.py", rows=1, seed=1, kaggle=NAME)


@pytest.mark.parametrize("error", [ConnectionError("no route"), CredentialError("who?"), ValueError("bad handle")])
def test_says_how_to_get_credentials(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kagglehub, "dataset_download", Mock(side_effect=error))
    with pytest.raises(TrainingError) as raised:
        kaggle.fetch(NAME)
    for word in (NAME, str(error), "kaggle.json", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        assert word in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_fetched_is_validated_and_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.csv"
    synthesize(100, seed=1).to_csv(file, index=False)

    def download(handle: str, path: str) -> str:
        assert (handle, path) == ("owner/set", "file.csv")
        return str(file)

    monkeypatch.setattr(kagglehub, "dataset_download", download)
    assert len(prepare.rows(DATA, folds=5)) == 100
