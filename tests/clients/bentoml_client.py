"""BentoML's own client: `bentoml_client.py ADDRESS ROWS.npy OUT.npy NAMES`."""

import sys

import bentoml
import numpy as np


def main(address, rows_file, out_file, names):
    rows = np.load(rows_file)
    with bentoml.SyncHTTPClient(f"http://{address}", server_ready_timeout=60) as client:
        answers = client.predict(rows=[dict(zip(names.split(","), row, strict=True)) for row in rows.tolist()])
    np.save(out_file, [list(dict(each["probabilities"]).values()) for each in answers])


main(*sys.argv[1:])
