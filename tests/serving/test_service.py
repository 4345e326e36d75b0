"""The running service: two workers, real requests."""

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bentoml
import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sklearn.naive_bayes import GaussianNB

from serving import store
from serving.schema import CLASSES, FEATURES, NAMES, Explanation, Prediction
from tests.models import as_rows, plausible_rows
from tests.servers import Server, serving

pytestmark = pytest.mark.slow


def metrics(client: httpx.Client) -> dict[tuple[str, ...], float]:
    """Return the value of every series by its name and the values of its labels, the model's tag left out."""
    text = client.get("/metrics").text
    return {
        (sample.name, *(value for label, value in sorted(sample.labels.items()) if label != "model")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_predict_answers_every_row_as_scikit_learn_does(client: httpx.Client, tag: str, estimator: GaussianNB) -> None:
    values = plausible_rows(1000, seed=1)
    answer = client.post("/predict", json={"rows": as_rows(values)})
    predictions = [Prediction.model_validate(each, strict=True) for each in answer.json()]
    expected = estimator.predict_proba(values)
    served = np.array([[getattr(p.probabilities, name) for name in CLASSES] for p in predictions])
    assert np.abs(served - expected).max() < 1e-12
    assert [p.label for p in predictions] == estimator.predict(values).tolist()
    assert [p.probability for p in predictions] == served.max(axis=1).tolist()
    assert {p.model for p in predictions} == {tag}
    assert len({p.prediction_id for p in predictions}) == 1000


def test_predict_one_and_predict_agree(client: httpx.Client) -> None:
    rows = as_rows(plausible_rows(20, seed=2))
    many = client.post("/predict", json={"rows": rows}).json()
    for row, expected in zip(rows, many, strict=True):
        one = client.post("/predict_one", json=row).json()
        assert {**one, "prediction_id": ""} == {**expected, "prediction_id": ""}


def test_an_explanation_adds_up_to_the_probability(client: httpx.Client, estimator: GaussianNB) -> None:
    for values in plausible_rows(20, seed=3):
        row = as_rows(values[None])[0]
        explanation = Explanation.model_validate(client.post("/explain", json=row).json(), strict=True)
        contributions = explanation.contributions.model_dump()
        assert tuple(contributions) == NAMES
        assert np.isclose(explanation.prior + sum(contributions.values()), explanation.log_odds, rtol=1e-12)
        assert np.isclose(explanation.probability, 1 / (1 + np.exp(-explanation.log_odds)), rtol=1e-12)
        assert np.isclose(
            explanation.log_density, np.logaddexp.reduce(estimator.predict_joint_log_proba(values[None])[0])
        )
        assert np.isclose(explanation.probability, estimator.predict_proba(values[None])[0, -1], rtol=1e-12)


def test_an_unusual_row_is_served_and_called_an_outlier(client: httpx.Client) -> None:
    extreme = {feature.name: feature.high for feature in FEATURES}
    assert client.post("/predict_one", json=extreme).json()["outlier"] is True
    assert client.post("/explain", json=extreme).json()["outlier"] is True


async def ask_at_once(url: str, bodies: list[bytes], connections: int) -> list[bytes]:
    """Post the bodies to /predict over a number of connections; return those of the answers, in the same order."""
    host, port = url.removeprefix("http://").split(":")
    head = "POST /predict HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    answers = [b""] * len(bodies)

    async def talk(first: int) -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for i in range(first, len(bodies), connections):
            writer.write(head.format(len(bodies[i])).encode() + bodies[i])
            said = (await reader.readuntil(b"\r\n\r\n")).lower()
            assert said.startswith(b"http/1.1 200 "), said
            answers[i] = await reader.readexactly(int(said.partition(b"content-length: ")[2].split(b"\r\n")[0]))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(talk(first) for first in range(connections)))
    return answers


def test_concurrent_calls_are_merged(home: Path, tmp_path: Path) -> None:
    rows = as_rows(plausible_rows(400, seed=4))
    bodies = [json.dumps({"rows": [row]}).encode() for row in rows]
    with serving(home, tmp_path / "log") as one_worker, httpx.Client(base_url=one_worker.url, timeout=60) as client:
        merged = [json.loads(answer)[0] for answer in asyncio.run(ask_at_once(one_worker.url, bodies, 20))]
        seen = metrics(client)
        alone = client.post("/predict", json={"rows": rows}).json()
    assert [p["probabilities"] for p in merged] == [p["probabilities"] for p in alone]
    calls = seen["model_prediction_seconds_count", "http"]
    assert calls < 200, f"{calls:g} model calls for 400 requests"
    assert sum(value for key, value in seen.items() if key[0] == "model_predictions_total") == 400


def test_a_bad_request_leaves_the_others_of_its_batch_alone(client: httpx.Client) -> None:
    good = as_rows(plausible_rows(200, seed=5))
    bodies = [{"rows": [row]} if i % 2 else {"rows": [row | {NAMES[0]: "1"}]} for i, row in enumerate(good)]
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda body: client.post("/predict", json=body).status_code, bodies))
    assert statuses == [200 if i % 2 else 400 for i in range(200)]


def test_the_model_s_metrics_are_right_over_two_workers(home: Path, tmp_path: Path, estimator: GaussianNB) -> None:
    values = plausible_rows(300, seed=6)
    reference = store.load().reference
    with serving(home, tmp_path / "log", {"WORKERS": "2"}) as server:

        def ask(row: dict[str, float]) -> int:
            # A connection of its own, so that both workers get some.
            return httpx.post(f"{server.url}/predict_one", json=row).status_code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(ask, as_rows(values))) == {200}
            too_wide = as_rows(values)[0] | {FEATURES[1].name: FEATURES[1].high + 1}
            assert set(pool.map(ask, [too_wide] * 5)) == {400}
        with httpx.Client(base_url=server.url) as client:
            seen = metrics(client)
    assert len(set(re.findall(r"gender_classifier:(\d)\] Service", (tmp_path / "log").read_text()))) == 2
    labels, counts = np.unique(estimator.predict(values), return_counts=True)
    for label, count in zip(labels, counts, strict=True):
        assert seen["model_predictions_total", label, "http"] == count
    assert seen["model_info",] == 1
    assert seen["model_reference_rows",] == reference.rows
    for column, (name, bins) in zip(values.T, reference.features.items(), strict=True):
        live = [value for key, value in seen.items() if key[0] == "model_feature_bin_total" and key[2] == name]
        ratios = [
            value for key, value in seen.items() if key[0] == "model_feature_bin_reference_ratio" and key[2] == name
        ]
        assert live == bins.count(column).tolist()
        assert ratios == list(bins.ratios)
        assert seen["model_feature_psi_chi2", name] == bins.chi2
        assert seen["model_feature_psi_floor", name] == bins.floor
        assert seen["model_implausible_total", name] == (5 if name == FEATURES[1].name else 0)
    deciles = [value for key, value in seen.items() if key[0] == "model_probability_bin_total"]
    assert deciles == reference.probability.count(estimator.predict_proba(values)[:, -1]).tolist()
    ratios = [value for key, value in seen.items() if key[0] == "model_probability_bin_reference_ratio"]
    assert ratios == list(reference.probability.ratios)
    outliers = store.load().model.score(values).outlier.sum()
    assert seen["model_outliers_total",] == outliers
    assert seen["model_prediction_seconds_count", "http"] == 300


def test_a_person_finds_the_documents_and_the_probes(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for link in re.findall(r'(?:href|src)="\./([^"]+)"', page.text):
        assert client.get(f"/{link}").is_success, link
    assert "//" not in re.sub(r"<!--.*?-->", "", page.text), "the page must not call another host"
    assert client.get("/livez").status_code == client.get("/readyz").status_code == 200


def test_bentoml_s_own_client_speaks_to_it(server: Server, estimator: GaussianNB) -> None:
    values = plausible_rows(5, seed=7)
    with bentoml.SyncHTTPClient(server.url) as client:
        answers = client.predict(rows=as_rows(values))
        one = client.predict_one(as_rows(values)[0])
    served = [[answer["probabilities"][name] for name in CLASSES] for answer in answers]
    assert np.abs(np.array(served) - estimator.predict_proba(values)).max() < 1e-12
    assert one["probabilities"] == pytest.approx(answers[0]["probabilities"])
