"""The BentoML service: routes and wiring, nothing else."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any, cast

import bentoml
import click

from serving import log_url, store, tracing, workers
from serving.bento import Service
from serving.bodies import (
    ExplanationAnswer,
    FeedbackAnswer,
    FeedbackBody,
    PredictBody,
    PredictionAnswer,
    PredictionsAnswer,
    RowBody,
)
from serving.feedback import Feedback
from serving.port import PortError, require_free_pair
from serving.prediction_log import open_log
from serving.predictor import Predictor
from serving.schema import MAX_ROWS, MODEL_NAME, Label, Row, to_array, values
from serving.settings import Settings, SettingsError
from serving.swap import load_first
from serving.ui import UiError, make_ui, require_gradio

GATHER_SECONDS = 0.004
EVERYWHERE = "0.0.0.0"  # noqa: S104 - BentoML's default

try:
    settings = Settings.from_environment()
except SettingsError as error:
    sys.exit(f"error: {error}")
workers.keep_numbers_apart()

# A Bento does not carry the lock: it is built already.
lock = Path(__file__).parent / "requirements" / ("serve.txt" if settings.ui == "on" else "api.txt")
image = bentoml.images.Image(
    # Without the distribution's build tools, which are half a gigabyte.
    base_image="python:3.11-slim",
    distro="none",
    python_version="3.11",
    # The lock goes in as it is, hashes included; BentoML would resolve it anew, without them.
    python_requirements=lock.read_text() if lock.exists() else "",
    lock_python_packages=False,
)


@bentoml.service(
    name=MODEL_NAME,
    service_class=Service,
    workers=settings.workers,
    image=image,
    envs=[{"name": "UI", "value": settings.ui}],
    ssl={"enabled": bool(settings.tls_cert), "certfile": settings.tls_cert, "keyfile": settings.tls_key},
    logging={"access": {"enabled": settings.access_log == "on"}},
    tracing=tracing.configuration(settings.tracing) if settings.tracing else {},
)
class GenderClassifier:
    """Predicts gender (Female or Male) from six facial measurements, with Gaussian naive Bayes."""

    settings = settings

    @bentoml.on_deployment
    @staticmethod
    def check() -> None:
        """Refuse to start, once and in one sentence: a worker that fails is started again for ever."""
        try:
            store.load(model_tag())
            if url := prediction_log_url():
                log_url.check(url)
            if settings.ui == "on":
                require_gradio()
            command = click.get_current_context(silent=True)
            host = (command and command.params["host"]) or EVERYWHERE
            port = (command and command.params["port"]) or 3000
            require_free_pair(port, settings.grpc_port, host)
        except (store.ModelError, log_url.LogError, UiError, PortError) as error:
            sys.exit(f"error: {error}")
        workers.prepare(host)
        # In a container BentoML would not replace a worker that died, and the others would share its work unseen.
        os.environ.pop("BENTOML_CONTAINERIZED", None)

    def __init__(self) -> None:
        self.tag = model_tag()
        log = open_log(prediction_log_url(), settings.prediction_log_sample, settings.prediction_log_days)
        self.predictor = Predictor(load_first(self.tag), log)
        self.truth = Feedback(log)

    @bentoml.on_shutdown
    def stop(self) -> None:
        """Write what the log still holds."""
        if self.predictor.log is not None:
            self.predictor.log.close()

    @bentoml.api(input_spec=PredictBody, output_spec=PredictionsAnswer, batchable=True, max_batch_size=MAX_ROWS)
    async def predict(self, rows: list[Row]) -> list[dict[str, Any]]:
        """Predict 1 to 10,000 rows; concurrent calls are merged into one."""
        # Scoring is so fast that callers would never meet: while a merged call waits, the next ones gather behind it.
        await asyncio.sleep(GATHER_SECONDS)
        return self.predictor.predict(to_array(rows), "http").to_dicts()

    @bentoml.api(input_spec=RowBody, output_spec=PredictionAnswer)
    async def predict_one(self, row: Row, /) -> dict[str, Any]:
        """Predict one row."""
        return self.predictor.predict_one(values(row), "http").to_dicts()[0]

    @bentoml.api(input_spec=RowBody, output_spec=ExplanationAnswer)
    async def explain(self, row: Row, /) -> dict[str, Any]:
        """Split the log-odds of one row exactly into what each feature adds."""
        return self.predictor.explain(to_array([row])[0])

    @bentoml.api(input_spec=FeedbackBody, output_spec=FeedbackAnswer)
    async def feedback(self, prediction_id: str, actual: Label) -> dict[str, Any]:
        """Record what a prediction should have been; the last label wins."""
        recorded = await self.truth.record(prediction_id, actual)
        return {"prediction_id": prediction_id, "actual": actual, "recorded": recorded}


if settings.ui == "on":
    bentoml.asgi_app(make_ui(settings), path="/")(GenderClassifier)


def model_tag() -> str:
    """Return the tag to serve: the setting's, else the one baked into the Bento, else the store's latest."""
    return settings.model_tag or next(iter(cast(Service, GenderClassifier).baked_models), store.LATEST)


def prediction_log_url() -> str:
    """Return where the log goes, empty for nowhere: the setting's, else SQLite here, but nothing in a built Bento.

    A container's own disk is no place for a log: it goes with the container, or is read-only.
    """
    if settings.prediction_log_url is not None:
        return settings.prediction_log_url
    return "" if cast(Service, GenderClassifier).bento else log_url.DEFAULT_URL
