"""From data to a model in the BentoML store: prepare, train, evaluate, promote. Run as DVC stages, in the root."""

import os

# Here, because both libraries look while they are imported. MLflow heeds no other word than `true`.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["BENTOML_DO_NOT_TRACK"] = "true"
