"""Other people's clients, unmodified, each in an environment and a process of its own, against scikit-learn."""

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.naive_bayes import GaussianNB

from serving.schema import NAMES
from tests.models import plausible_rows
from tests.processes import fresh_terminal
from tests.servers import ROOT, Server

pytestmark = pytest.mark.slow

CLIENTS = ROOT / "tests" / "clients"
# what each client is, as a user installs it; grpcio-health-checking and the like are not needed
PACKAGES = {
    "triton": ("tritonclient[http,grpc]",),
    "open_inference_client": ("open-inference-openapi", "open-inference-grpc", "protobuf", "numpy"),
    "reflection": ("grpcio-reflection", "numpy"),
    "bentoml_client": ("bentoml",),
}
CASES = [
    ("triton", "http"),
    ("triton", "http-binary"),
    ("triton", "grpc"),
    ("open_inference_client", "http"),
    ("open_inference_client", "grpc"),
    ("reflection", "grpc"),
    ("bentoml_client", "http"),
]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the Python of a client's environment, which is made at its first use."""
    made: dict[str, Path] = {}

    def python(client: str) -> Path:
        if client not in made:
            folder = tmp_path_factory.mktemp("environment") / client
            venv.create(folder, symlinks=True)
            made[client] = folder / "bin" / "python"
            uv = Path(sys.executable).with_name("uv")
            install: list[str | Path] = [uv, "pip", "install", "--quiet", "--python", made[client], *PACKAGES[client]]
            subprocess.run(install, env={"UV_SYSTEM_CERTS": "true", **os.environ}, check=True)
        return made[client]

    return python


@pytest.fixture(params=["made", "real"])
def rows(request: pytest.FixtureRequest) -> NDArray[np.float64]:
    """Return 1,000 rows, float64 [1000, d]: from the schema, and real ones where there are any."""
    if request.param == "made":
        return plausible_rows(1000, seed=30)
    csv = pd.read_csv(request.getfixturevalue("gender_csv"))
    return csv.sample(1000, random_state=0)[list(NAMES)].to_numpy(dtype=np.float64)


@pytest.mark.parametrize(("client", "how"), CASES)
def test_a_client_gets_what_scikit_learn_says(
    client: str,
    how: str,
    environment: Callable[[str], Path],
    server: Server,
    estimator: GaussianNB,
    rows: NDArray[np.float64],
    tmp_path: Path,
) -> None:
    np.save(tmp_path / "rows.npy", rows)
    address = server.grpc if how == "grpc" else server.url.removeprefix("http://")
    extra = [how] if client in ("triton", "open_inference_client") else []
    names = [",".join(NAMES)] if client == "bentoml_client" else []
    command: list[str | Path] = [
        environment(client),
        CLIENTS / f"{client}.py",
        *extra,
        address,
        "rows.npy",
        "out.npy",
        *names,
    ]
    ran = subprocess.run(command, cwd=tmp_path, env=fresh_terminal(), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert np.abs(np.load(tmp_path / "out.npy") - estimator.predict_proba(rows)).max() < 1e-12
