"""Write the MLflow model that `mlflow models serve` serves; it answers with probabilities."""

import shutil
import sys
from pathlib import Path

import mlflow.sklearn
from given import estimator

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    shutil.rmtree(folder, ignore_errors=True)
    mlflow.sklearn.save_model(estimator(), folder, pyfunc_predict_fn="predict_proba", pip_requirements=["scikit-learn"])
