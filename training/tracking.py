"""Experiments in MLflow: where they go, and what a run is given. Nothing else here imports MLflow."""

import json
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self

import mlflow
from mlflow.data.pandas_dataset import from_pandas
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature

from serving.schema import MODEL_NAME, TARGET
from training import dataset
from training.candidates import Candidate, Classifier
from training.dataset import Dataset
from training.stage import TrainingError, say

DATABASE = Path("mlflow.db")
RUN = Path("models/candidate/run.json")


@dataclass(frozen=True, slots=True)
class Run:
    """The MLflow run of the kept model, and the sweep it is part of."""

    run_id: str
    sweep_id: str
    var_smoothing: float

    def write(self) -> None:
        RUN.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls) -> Self:
        return cls(**json.loads(RUN.read_text()))


def connect() -> None:
    """Choose the store, MLFLOW_TRACKING_URI or the database that `mlflow ui` opens, and the experiment."""
    # Table by table migrations of a new database are no news, nor is what MLflow's own calls warn itself of.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        if not DATABASE.exists():
            say(f"creating {DATABASE}")
        mlflow.set_tracking_uri(f"sqlite:///{DATABASE.absolute()}")
    mlflow.set_experiment(MODEL_NAME)


@contextmanager
def sweep() -> Iterator[str]:
    """Open the parent run; yields its id."""
    connect()
    with mlflow.start_run(run_name="sweep") as parent:
        yield parent.info.run_id


def log_candidate(candidate: Candidate, model: Classifier, metrics: dict[str, float], data: Dataset) -> str:
    """Log a fitted candidate as a nested run: parameters, metrics, data set, signature, input example, model.

    Returns:
        The run's id.
    """
    example = data.features.head(5)
    with mlflow.start_run(run_name=candidate.name, nested=True) as run, warnings.catch_warnings():
        # Of MLflow about itself: its data set source is guessed twice, its digest uses a deprecated pandas call.
        warnings.simplefilter("ignore")
        mlflow.log_params({"model": type(model).__name__, **model.get_params()})
        mlflow.log_metrics(metrics)
        frame = data.features.assign(**{TARGET: model.classes_[data.codes]})
        source = from_pandas(frame, source=str(dataset.PATH), targets=TARGET, name=MODEL_NAME)
        mlflow.log_input(source, context="training", tags={"sha256": dataset.sha256()})
        mlflow.sklearn.log_model(
            model,
            name="model",
            signature=infer_signature(example, model.predict(example)),
            input_example=example,
            # Given, or MLflow starts a fresh process for each model to find out (30 s instead of under 1 s).
            pip_requirements=[f"{package}=={version(package)}" for package in ("scikit-learn", "skops", "numpy")],
            serialization_format="skops",
            skops_trusted_types=["training.mixed.MixedNB"],
        )
    return str(run.info.run_id)


def find(run: Run) -> None:
    """Check that MLflow still has a run.

    Raises:
        TrainingError: it has not.
    """
    connect()
    try:
        mlflow.get_run(run.run_id)
    except MlflowException as error:
        raise TrainingError(
            f"MLflow has no run {run.run_id}, of the kept model; was {DATABASE} deleted? Run `dvc repro -f train`"
        ) from error


def log_evaluation(run: Run, metrics: dict[str, float], files: Path) -> None:
    """Add metrics and a folder of plots to the kept model's run. Raises as `find`."""
    find(run)
    with mlflow.start_run(run_id=run.run_id):
        mlflow.log_metrics(metrics)
        mlflow.log_artifacts(str(files), artifact_path=files.name)


def log_verdict(run: Run, file: Path, passed: bool) -> None:
    """Add the gate's verdict to the kept model's run, as an artifact and as a tag. Raises as `find`."""
    find(run)
    client = mlflow.MlflowClient()
    client.log_artifact(run.run_id, str(file))
    client.set_tag(run.run_id, "gate", "passed" if passed else "refused")


def tag_promoted(run: Run, tag: str) -> None:
    """Write the BentoML tag on the kept model's run and on its sweep. Raises as `find`."""
    find(run)
    for run_id in (run.run_id, run.sweep_id):
        mlflow.MlflowClient().set_tag(run_id, "bentoml_tag", tag)
