"""Write the folder that `mlserver start FOLDER` serves: the scikit-learn runtime, metrics on, access log off.

`pool` is the number of worker processes; the default is 1, with 0 the server infers by itself.
"""

import json
import sys
from pathlib import Path

import joblib
from given import estimator


def main(folder: Path, port: int, grpc_port: int, metrics_port: int, pool: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(estimator(), folder / "model.joblib")
    model = {
        "name": "classifier",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib"},
    }
    settings = {
        "debug": False,
        "parallel_workers": pool,
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": grpc_port,
        "metrics_port": metrics_port,
        "metrics_dir": str(folder / "metrics"),
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    (folder / "settings.json").write_text(json.dumps(settings))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
