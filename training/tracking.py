"""Experiments in MLflow: where they go, and what a run is given. Nothing else here imports MLflow.

Training does not depend on a tracking server. One that cannot be used when a sweep is recorded is replaced by the local
database, and the run says so to the later stages; what one that is lost later does not take is named and left out.
"""

import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Self

import mlflow
from mlflow.data.pandas_dataset import from_pandas
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from serving.schema import MODEL_NAME, TARGET
from training import dataset
from training.candidates import Candidate, Classifier
from training.dataset import Dataset
from training.stage import TrainingError, say

# The local database, which `mlflow ui` opens, and its name among the addresses of servers.
DATABASE = Path("mlflow.db")
LOCAL = str(DATABASE)
RUN = Path("models/candidate/run.json")
# What MLflow raises, and what its clients of servers and artifact stores do: requests' errors are OSErrors.
ERRORS = (MlflowException, OSError)
# Looked up once: MLflow writes whatever it is connected to into this variable.
CONFIGURED = os.environ.get("MLFLOW_TRACKING_URI") or LOCAL


@dataclass(frozen=True, slots=True)
class Run:
    """The MLflow run of the kept model, and the sweep it is part of.

    Args:
        tracking_uri: of the server that holds it, without user and password, or `LOCAL`.
    """

    run_id: str
    sweep_id: str
    var_smoothing: float
    tracking_uri: str = LOCAL

    def write(self) -> None:
        RUN.write_text(json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def read(cls) -> Self:
        return cls(**json.loads(RUN.read_text()))


def public(uri: str) -> str:
    """Return an address without user and password, for files and messages."""
    return re.sub("(?<=://)[^/@]*@", "", uri)


def connect(uri: str | None = None) -> None:
    """Choose the store, the configured one unless another is named, and the experiment. Raises one of `ERRORS`."""
    # Table by table migrations of a new database are no news, nor is what MLflow's own calls warn itself of.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Else an unreachable server is asked for many minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    # The configured address is the one with the password.
    address = CONFIGURED if uri is None or uri == public(CONFIGURED) else uri
    if address == LOCAL:
        if not DATABASE.exists():
            say(f"creating {DATABASE}")
        address = f"sqlite:///{DATABASE.absolute()}"
    mlflow.set_tracking_uri(address)
    mlflow.set_experiment(MODEL_NAME)


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate that was tried: fitted on all rows, measured out of fold."""

    candidate: Candidate
    model: Classifier
    metrics: dict[str, float]


def record(trials: Sequence[Trial], data: Dataset) -> tuple[str, str, list[str]]:
    """Record a sweep as a parent run and a nested one for each trial; into the local database if there is no server.

    Returns:
        The address as in `Run`, the sweep's id, and each trial's.
    """
    server = public(CONFIGURED)
    try:
        return (server, *_record(server, trials, data))
    except ERRORS as error:
        if server == LOCAL:
            raise TrainingError(f"{DATABASE} cannot be written: {short(error)}") from error
        say(
            f"not recorded at {server}, which cannot be used ({short(error)}): the sweep goes to {DATABASE} instead; "
            "once the server is back, `dvc repro --force` trains the same model again and records it there"
        )
    return (LOCAL, *_record(LOCAL, trials, data))


def _record(uri: str, trials: Sequence[Trial], data: Dataset) -> tuple[str, list[str]]:
    connect(uri)
    with mlflow.start_run(run_name="sweep") as parent:
        return str(parent.info.run_id), [_log_trial(trial, data) for trial in trials]


def _log_trial(trial: Trial, data: Dataset) -> str:
    """Log a nested run: parameters, metrics, data set, signature, input example, model."""
    model = trial.model
    example = data.features.head(5)
    with mlflow.start_run(run_name=trial.candidate.name, nested=True) as run, warnings.catch_warnings():
        # Of MLflow about itself: its data set source is guessed twice, its digest uses a deprecated pandas call.
        warnings.simplefilter("ignore")
        mlflow.log_params({"model": type(model).__name__, **model.get_params()})
        mlflow.log_metrics(trial.metrics)
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


def add(run: Run, what: str, write: Callable[[mlflow.MlflowClient], None]) -> None:
    """Add something to the run where it is. A server that cannot be used is said, not raised.

    Raises:
        TrainingError: MLflow has no such run any more.
    """
    try:
        connect(run.tracking_uri)
        client = mlflow.MlflowClient()
        client.get_run(run.run_id)
        write(client)
    except ERRORS as error:
        if getattr(error, "error_code", "") == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise TrainingError(
                f"{run.tracking_uri} has no MLflow run {run.run_id}, of the kept model; was it deleted? "
                "Run `dvc repro --force train`"
            ) from error
        where = f"MLflow run {run.run_id} at {run.tracking_uri}"
        say(f"not recorded: {what}, of {where}, which cannot be used ({short(error)})")


def log_evaluation(run: Run, metrics: dict[str, float], files: Path) -> None:
    """Add metrics and a folder of plots to the kept model's run. As `add`."""

    def write(client: mlflow.MlflowClient) -> None:
        for name, value in metrics.items():
            client.log_metric(run.run_id, name, value)
        client.log_artifacts(run.run_id, str(files), artifact_path=files.name)

    add(run, f"evaluation, which is in {files.parent}", write)


def log_verdict(run: Run, file: Path, passed: bool) -> None:
    """Add the gate's verdict to the kept model's run, as an artifact and as a tag. As `add`."""

    def write(client: mlflow.MlflowClient) -> None:
        client.log_artifact(run.run_id, str(file))
        client.set_tag(run.run_id, "gate", "passed" if passed else "refused")

    add(run, f"verdict, which is in {file}", write)


def tag_promoted(run: Run, tag: str) -> None:
    """Write the BentoML tag on the kept model's run and on its sweep. As `add`."""

    def write(client: mlflow.MlflowClient) -> None:
        for run_id in (run.run_id, run.sweep_id):
            client.set_tag(run_id, "bentoml_tag", tag)

    add(run, f"tag {tag}", write)


def short(error: BaseException) -> str:
    """Return what an error says in a line; MLflow's own quote the address, password and all."""
    return public(" ".join(str(error).split()))[:160]
