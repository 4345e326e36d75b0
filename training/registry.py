"""MLflow's registered model: every candidate a version, aliases for what is served and for what was tried last.

The BentoML store is the truth. `mirror` makes the aliases agree with it from whatever state they are in, so it is run
after each change, and a run that was killed half-way is put right by the next one.
"""

import mlflow

from serving import store
from serving.schema import MODEL_NAME
from training import tracking
from training.stage import say
from training.tracking import Run

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


def challenge(run: Run) -> None:
    """Register a candidate and point `challenger` at it. What cannot be recorded is said, not raised."""
    _point(CHALLENGER, run.run_id, run.tracking_uri)


def mirror() -> None:
    """Point `champion` at the run of the model that the store serves. What cannot be recorded is said, not raised."""
    made = store.load().metadata
    _point(CHAMPION, str(made.get("mlflow_run_id")), str(made.get("mlflow_tracking_uri", tracking.LOCAL)))


def _point(alias: str, run_id: str, uri: str) -> None:
    """Move an alias where the run is; whoever looks elsewhere is told."""
    what = f"not recorded: alias {alias} of {MODEL_NAME} for MLflow run {run_id}"
    server = tracking.public(tracking.CONFIGURED)
    if server != uri:
        say(f"{what} at {server}, which has no such run; it is at {uri}")
    try:
        tracking.connect(uri)
        mlflow.MlflowClient().get_run(run_id)  # a model of another machine has its run there
        mlflow.MlflowClient().set_registered_model_alias(MODEL_NAME, alias, register(run_id))
    except tracking.ERRORS as error:
        say(f"{what}; the model itself is not touched: {tracking.short(error)}")
