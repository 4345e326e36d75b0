"""A model with the reference that training makes, of the embedded data."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from serving import store
from serving.model import Model, Parameters
from serving.schema import CLASSES, MODEL_NAME, NAMES, TARGET
from tests.models import write_model
from training import settings
from training.binning import make_reference
from training.builtin import synthesize
from training.dataset import Dataset


@pytest.fixture(scope="session")
def tag(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tag of the model in the store of the tests."""
    frame = synthesize(5000, seed=7)
    features = frame[list(NAMES)].astype("float64")
    codes = np.array(pd.Categorical(frame[TARGET], categories=list(CLASSES)).codes, dtype=np.intp)
    estimator = GaussianNB(var_smoothing=0.03).fit(features.to_numpy(), frame[TARGET])
    folder = tmp_path_factory.mktemp("model")
    write_model(folder, estimator)
    model = Model(Parameters(np.log(estimator.class_prior_), estimator.theta_, estimator.var_))
    reference = make_reference(Dataset(features, codes), model, settings.load().reference)
    (folder / "reference.json").write_text(json.dumps(dataclasses.asdict(reference)))
    (folder / "metrics.json").write_text(json.dumps({"accuracy": 0.95}))
    saved = store.save(folder, {"made_for": "tests of the monitor"})
    assert saved.startswith(MODEL_NAME)
    return saved


@pytest.fixture(scope="session")
def home(tag: str) -> Path:
    """The BENTOML_HOME whose store holds the model."""
    return Path(os.environ["BENTOML_HOME"])
