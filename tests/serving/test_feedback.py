"""Labels that come later, at another worker than the one that predicted, in both kinds of database."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import select

from serving.log_store import LogStore, feedback, predictions
from serving.predictor import prediction_ids
from serving.schema import CLASSES
from tests.databases import postgres
from tests.load import post_all
from tests.models import as_rows, plausible_rows
from tests.servers import Server, serving

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Replicas:
    """Two services with one log, at `url`."""

    first: Server
    second: Server
    url: str


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def replicas(
    request: pytest.FixtureRequest, home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    folder = tmp_path_factory.mktemp("replicas")
    with ExitStack() as stack:
        sqlite = request.param == "sqlite"
        url = f"sqlite:///{folder}/predictions.db" if sqlite else stack.enter_context(postgres()).url
        settings = {"PREDICTION_LOG_URL": url}
        first, second = (stack.enter_context(serving(home, folder / name, settings)) for name in ("one", "two"))
        yield Replicas(first, second, url)


def tell(server: Server, prediction_id: Any, actual: Any = CLASSES[0]) -> httpx.Response:
    return httpx.post(f"{server.url}/feedback", json={"prediction_id": prediction_id, "actual": actual}, timeout=30)


def test_feedback_for_10000_predictions_is_exact(replicas: Replicas) -> None:
    random = np.random.default_rng(0)
    rows = as_rows(plausible_rows(10_000, seed=1))
    answered = httpx.post(f"{replicas.first.url}/predict", json={"rows": rows}, timeout=60).raise_for_status().json()
    ids = [each["prediction_id"] for each in answered]
    said = {name: str(random.choice(CLASSES)) for name in ids}
    told = [{"prediction_id": name, "actual": label} for name, label in said.items()]
    doubled = told[:500]
    corrected = [{"prediction_id": name, "actual": CLASSES[-1]} for name in ids[500:1000]]
    # Of now as well, which the service cannot tell from one that is about to be written, except by waiting.
    unknown = [{"prediction_id": f"{i:012x}7{'0' * 3}8{i:015x}", "actual": CLASSES[0]} for i in range(50)]
    unknown += [{"prediction_id": name, "actual": CLASSES[0]} for name in [*prediction_ids(4), "no id", ""]]
    for bodies, status in ((told, 200), (doubled, 200), (corrected, 200), (unknown, 404)):
        answers = post_all(replicas.second.url, "/feedback", bodies)
        assert {code for code, _ in answers} == {status}, [each for each in answers if each[0] != status][:3]
    expected = said | {each["prediction_id"]: each["actual"] for each in corrected}
    store = LogStore(replicas.url)
    joined = select(predictions.c.prediction_id, predictions.c.label, feedback.c.actual).join_from(
        predictions, feedback, predictions.c.prediction_id == feedback.c.prediction_id
    )
    with store.engine.connect() as connection:
        found = {name: (label, actual) for name, label, actual in connection.execute(joined)}
        assert connection.execute(
            select(feedback.c.prediction_id).order_by(feedback.c.prediction_id)
        ).scalars().all() == sorted(ids)
    store.engine.dispose()
    assert found == {each["prediction_id"]: (each["label"], expected[each["prediction_id"]]) for each in answered}


def test_feedback_straight_after_the_answer_is_never_unknown(replicas: Replicas) -> None:
    for i, row in enumerate(as_rows(plausible_rows(20, seed=2))):
        told = replicas.second if i % 2 else replicas.first
        name = httpx.post(f"{replicas.first.url}/predict_one", json=row).json()["prediction_id"]
        answer = tell(told, name)
        assert answer.json() == {"prediction_id": name, "actual": CLASSES[0], "recorded": True}


def test_what_cannot_be_feedback_is_told_why(replicas: Replicas) -> None:
    name = prediction_ids(1)[0]
    for actual in ("female", "", None, 1):
        answer = tell(replicas.first, name, actual)
        assert answer.status_code == 400
        assert answer.json()["error"].startswith("actual is ")
        assert " or ".join(CLASSES) in answer.json()["error"]
    for wrong in (None, 7, ["x"]):
        assert tell(replicas.first, wrong).json()["error"].startswith("prediction_id is ")
    nothing = httpx.post(f"{replicas.first.url}/feedback", json={})
    assert (nothing.status_code, "prediction_id is missing" in nothing.text) == (400, True)
    extra = httpx.post(f"{replicas.first.url}/feedback", json={"prediction_id": name, "actual": CLASSES[0], "x": 1})
    assert (extra.status_code, "not known here" in extra.text) == (400, True)
    assert tell(replicas.first, "\0" * 32).status_code == 404


def test_without_a_log_feedback_is_503_and_needs_the_key_first(home: Path, tmp_path: Path) -> None:
    with serving(home, tmp_path / "log", {"API_KEYS": "key", "PREDICTION_LOG_URL": ""}) as server:
        assert tell(server, prediction_ids(1)[0]).status_code == 401
        body = {"prediction_id": prediction_ids(1)[0], "actual": CLASSES[0]}
        answer = httpx.post(f"{server.url}/feedback", json=body, headers={"Authorization": "Bearer key"})
        assert answer.status_code == 503
        assert "PREDICTION_LOG_URL" in answer.json()["error"]


def test_feedback_on_a_prediction_that_the_sample_leaves_out(home: Path, tmp_path: Path) -> None:
    settings = {"PREDICTION_LOG_URL": f"sqlite:///{tmp_path}/log.db", "PREDICTION_LOG_SAMPLE": "0.5"}
    with serving(home, tmp_path / "log", settings) as server:
        rows = as_rows(plausible_rows(100))
        answers = httpx.post(f"{server.url}/predict", json={"rows": rows}).json()
        told = [tell(server, each["prediction_id"]).json()["recorded"] for each in answers]
        store = LogStore(settings["PREDICTION_LOG_URL"])
        with store.engine.connect() as connection:
            kept = set(connection.execute(select(predictions.c.prediction_id)).scalars())
        store.engine.dispose()
    assert told == [each["prediction_id"] in kept for each in answers]
    assert 0 < len(kept) < 100
