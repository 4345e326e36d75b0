"""LitServe and scikit-learn, as its documentation puts them together; one API server and one worker."""

import sys
from typing import Any

import litserve as ls
import numpy as np
from given import estimator, model


class Classifier(ls.LitAPI):
    def setup(self, device: str) -> None:
        self.names = model()["features"]
        self.estimator = estimator()

    def decode_request(self, request: dict[str, Any]) -> Any:
        return np.array([[row[name] for name in self.names] for row in request["rows"]])

    def predict(self, x: Any) -> Any:
        return self.estimator.predict_proba(x)

    def encode_response(self, output: Any) -> dict[str, Any]:
        return {"probabilities": output.tolist()}


if __name__ == "__main__":
    server = ls.LitServer(Classifier(), accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
        access_log=False,
    )
