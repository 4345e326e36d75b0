"""MLflow's registered model: every candidate a version, aliases for what is served and for what was tried last.

The BentoML store is the truth. `mirror` makes the aliases agree with it from whatever state they are in, so it is run
after each change, and a run that was killed half-way is put right by the next one.
"""

import os

import mlflow
from mlflow.exceptions import MlflowException

from serving import store
from serving.schema import MODEL_NAME
from training import tracking
from training.stage import say

CHAMPION, CHALLENGER = "champion", "challenger"


def register(run_id: str) -> str:
    """Return the version that a run's model is registered as; it is made if there is none. Raises MlflowException."""
    client = mlflow.MlflowClient()
    if not client.search_registered_models(filter_string=f"name = '{MODEL_NAME}'"):
        client.create_registered_model(MODEL_NAME)
    found = client.search_model_versions(f"name = '{MODEL_NAME}' and run_id = '{run_id}'")
    if found:
        return str(found[0].version)
    return str(client.create_model_version(MODEL_NAME, f"runs:/{run_id}/model", run_id).version)


def challenge(run_id: str) -> None:
    """Register a candidate and point `challenger` at it. What cannot be recorded is said, not raised."""
    _point(CHALLENGER, run_id)


def mirror() -> None:
    """Point `champion` at the run of the model that the store serves. What cannot be recorded is said, not raised."""
    _point(CHAMPION, str(store.load().metadata.get("mlflow_run_id")))


def _point(alias: str, run_id: str) -> None:
    # Else an unreachable server is asked for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    try:
        tracking.connect()
        mlflow.MlflowClient().get_run(run_id)  # a model of another machine has its run there
        mlflow.MlflowClient().set_registered_model_alias(MODEL_NAME, alias, register(run_id))
    except MlflowException as error:
        why = " ".join(str(error).split())[:200]
        what = f"MLflow's alias {alias} of {MODEL_NAME} for run {run_id}"
        say(f"not recorded: {what}; the model itself is not touched: {why}")
