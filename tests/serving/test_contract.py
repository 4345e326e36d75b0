"""The service keeps to its OpenAPI document, says schemathesis."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from serving.schema import FEATURES, Flag
from tests.servers import serving

pytestmark = pytest.mark.slow
CASES = 5000


def test_generated_requests_find_nothing_undocumented(home: Path, tmp_path: Path) -> None:
    # The default settings: a smaller MAX_BODY_BYTES would refuse 10,000 rows, which the document allows.
    # And with a log, without which feedback is refused.
    settings = {"WORKERS": "2", "PREDICTION_LOG_URL": f"sqlite:///{tmp_path}/predictions.db"}
    with serving(home, tmp_path / "log", settings) as server:
        ran = subprocess.run(
            [
                *(Path(sys.executable).parent / "schemathesis", "run", f"{server.url}/docs.json"),
                *("--checks", "all", "--max-examples", str(CASES // 4), "--seed", "1", "--no-color"),
                # Without the stateful phase: it would follow each prediction to its feedback, for a quarter of an hour.
                *("--phases", "examples,coverage,fuzzing"),
            ],
            cwd=tmp_path,
            # Only the server's coverage counts; measuring schemathesis too would make it twice as slow.
            env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stdout
    made = re.search(r"(\d+) generated, (\d+) passed", ran.stdout)
    assert made, ran.stdout
    assert int(made[1]) == int(made[2]) >= CASES


def test_the_document_gives_every_range_example_and_status(client: httpx.Client) -> None:
    document = client.get("/docs.json").json()
    row = document["components"]["schemas"]["RowBody"]
    for feature in FEATURES:
        field = row["properties"][feature.name]
        assert (field["minimum"], field["maximum"]) == (feature.low, feature.high)
        assert field["type"] == ("integer" if isinstance(feature, Flag) else "number")
        assert field["examples"]
        assert feature.expected in field["description"]
    assert row["additionalProperties"] is False
    assert "404" in document["paths"]["/feedback"]["post"]["responses"]
    for path in ("/predict", "/predict_one", "/explain"):
        responses = document["paths"][path]["post"]["responses"]
        assert set(responses) == {"200", "400", "405", "413", "415", "429", "503"}
    assert "securitySchemes" not in document["components"]


def test_the_document_asks_for_the_key_if_there_is_one(home: Path, tmp_path: Path) -> None:
    with serving(home, tmp_path / "log", {"API_KEYS": "a-key"}) as server:
        document = httpx.get(f"{server.url}/docs.json").json()
    assert document["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    for path in ("/predict", "/predict_one", "/explain"):
        assert document["paths"][path]["post"]["security"] == [{"key": []}]
        assert "401" in document["paths"][path]["post"]["responses"]
    assert "security" not in document["paths"]["/readyz"]["get"]
