"""The README's promise to a team with a table of its own: edit FEATURES, CLASSES and TARGET, and everything follows."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.clones import copy_of_work
from tests.servers import serving

pytestmark = pytest.mark.slow

TWO = ("good", "faulty")
THREE = ("good", "worn", "faulty")
NAMES = ("temperature", "noisy", "pressure_bar")


def table(classes: tuple[str, ...]) -> str:
    """Return the three definitions for a machine's state, as they would be typed."""
    k = range(len(classes))
    return f"""
CLASSES = {classes!r}
TARGET = "state"
FEATURES: tuple[Feature, ...] = (
    Number("temperature", "°C", -40, 200, 0.5, (10, 120), {tuple((50 + 15 * i, 6 + i) for i in k)!r}, "heat", "suhu"),
    Flag("noisy", {tuple(0.1 + 0.3 * i for i in k)!r}, "is noisy", "berisik"),
    Number("pressure_bar", "bar", 0, 50, 0.1, (1, 12), {tuple((4 + i, 0.8) for i in k)!r}, "pressure", "tekanan"),
)
"""


def edit(schema: Path, classes: tuple[str, ...]) -> None:
    text = schema.read_text()
    for name in ("CLASSES", "TARGET"):
        text = re.sub(rf"^{name} = .*\n", "", text, flags=re.MULTILINE)
    text, edited = re.subn(r"^FEATURES: .*?^\)\n", lambda _: table(classes), text, flags=re.MULTILINE | re.DOTALL)
    assert edited == 1
    schema.write_text(text)


@pytest.fixture(scope="module", params=[TWO, THREE], ids=len)
def classes(request: pytest.FixtureRequest) -> tuple[str, ...]:
    chosen: tuple[str, ...] = request.param
    return chosen


@pytest.fixture(scope="module")
def project(classes: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = copy_of_work(tmp_path_factory.mktemp("table") / "project")
    edit(project / "serving" / "schema.py", classes)
    run(project, "training")
    return project


def run(project: Path, *module: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    variables = kept | {"BENTOML_HOME": str(project.with_name("home")), "PATH": path}
    done = subprocess.run(
        [sys.executable, "-m", *module], cwd=project, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_service_follows_the_schema(project: Path, classes: tuple[str, ...], tmp_path: Path) -> None:
    log = {"PREDICTION_LOG_URL": f"sqlite:///{tmp_path}/log.db"}
    with serving(project.with_name("home"), tmp_path / "log", log, folder=project) as server:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            row = dict(zip(NAMES, (90, 1, 6.5), strict=True))
            prediction = client.post("/predict_one", json=row).json()
            assert set(prediction["probabilities"]) == set(classes)
            assert prediction["label"] == max(prediction["probabilities"], key=prediction["probabilities"].__getitem__)
            refused = client.post("/predict_one", json=row | {"temperature": 300})
            assert refused.status_code == 400
            assert "temperature" in refused.json()["error"]
            why = client.post("/explain", json=row).json()
            assert list(why["contributions"]) == list(NAMES)
            assert why["prior"] + sum(why["contributions"].values()) == pytest.approx(why["log_odds"])
            told = {"prediction_id": prediction["prediction_id"], "actual": classes[0]}
            assert client.post("/feedback", json=told).json()["recorded"]
            tensor = {"name": "input", "datatype": "FP64", "shape": [1, 3], "data": list(row.values())}
            inferred = client.post("/v2/models/gender_classifier/infer", json={"inputs": [tensor]}).json()
            outputs = {each["name"]: each for each in inferred["outputs"]}
            assert outputs["probabilities"]["shape"] == [1, len(classes)]
            assert outputs["label"]["data"] == [prediction["label"]]
            assert 'model_feature_bin_total{bin="0",feature="noisy"' in client.get("/metrics").text
            assert "temperature" in client.get("/docs.json").text
            page = client.get("/ui/", follow_redirects=True)
            assert page.is_success
        assert "Traceback" not in server.log.read_text()


def test_files_are_scored_and_the_dashboards_drawn(project: Path, classes: tuple[str, ...], tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(f"{','.join(NAMES)}\n90,1,6.5\n40,0,3\n300,0,3\n")
    run(project, "scoring", str(rows), str(tmp_path / "scored.csv"))
    with (tmp_path / "scored.csv").open() as file:
        header, *lines = csv.reader(file)
    assert header == ["label", *(f"probability_{name}" for name in classes), "outlier"]
    assert len(lines) == 2
    assert "temperature" in (tmp_path / "scored.rejects.csv").read_text()
    run(project, "monitoring.dashboards")
    drawn = (project / "monitoring" / "grafana" / "dashboards" / "model.json").read_text()
    assert "temperature" in drawn
    assert "forehead" not in drawn
