"""tritonclient: `triton.py http|http-binary|grpc ADDRESS ROWS.npy OUT.npy`."""

import sys

import numpy as np


def main(how, address, rows_file, out_file):
    rows = np.load(rows_file)
    if how == "grpc":
        import tritonclient.grpc as triton

        options = {}
    else:
        import tritonclient.http as triton

        options = {"binary_data": how == "http-binary"}
    client = triton.InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("gender_classifier")
    given = triton.InferInput("input", list(rows.shape), "FP64")
    given.set_data_from_numpy(rows, **options)
    wanted = [triton.InferRequestedOutput(name, **options) for name in ("probabilities", "label")]
    answer = client.infer("gender_classifier", [given], outputs=wanted, request_id="mine")
    assert len(answer.as_numpy("label")) == len(rows)
    np.save(out_file, answer.as_numpy("probabilities"))


main(*sys.argv[1:])
