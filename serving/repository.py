"""The one model that this server serves, as the Open Inference Protocol sees it, over HTTP and gRPC alike."""

import asyncio
from typing import Any

from serving import store
from serving.drain import Drain
from serving.errors import RequestError, short
from serving.predictor import Predictor
from serving.schema import MODEL_NAME, NAMES
from serving.swap import Swapper
from serving.tensors import INPUT, OUTPUTS
from serving.workers import WorkerError

EXTENSIONS = ("binary_tensor_data", "model_repository")
PLATFORM = "sklearn_gaussiannb"


class Repository:
    """What the protocol's clients may ask of this worker. Every RequestError is for the client.

    Args:
        server_version: of the Bento, or what stands for it.
    """

    def __init__(self, predictor: Predictor, swapper: Swapper, drain: Drain, server_version: str) -> None:
        self.predictor = predictor
        self._swapper = swapper
        self._drain = drain
        self._server_version = server_version

    @property
    def version(self) -> str:
        return self.predictor.stored.tag.partition(":")[2]

    @property
    def models(self) -> list[str]:
        """The full tags of the model that is served and of the one before, if there was one."""
        return self._swapper.workers.models

    @property
    def ready(self) -> bool:
        return not self._drain.draining

    def check(self, model: str, version: str = "") -> None:
        """Raise RequestError 404 unless the model, and the version if there is one, is served."""
        if model != MODEL_NAME:
            raise RequestError(404, f"there is no model {short(model)}; expected {MODEL_NAME}")
        if version and version != self.version:
            raise RequestError(404, f"version {short(version)} of {MODEL_NAME} is not served; {self.version} is")

    def check_ready(self) -> None:
        """Raise RequestError 503 while the server shuts down."""
        if not self.ready:
            raise RequestError(503, "the service is shutting down")

    def server_metadata(self) -> dict[str, Any]:
        return {"name": MODEL_NAME, "version": self._server_version, "extensions": EXTENSIONS}

    def model_metadata(self) -> dict[str, Any]:
        return {
            "name": MODEL_NAME,
            "versions": [self.version],
            "platform": PLATFORM,
            "inputs": [{"name": INPUT, "datatype": "FP64", "shape": [-1, len(NAMES)]}],
            "outputs": [
                {"name": name, "datatype": datatype, "shape": shape} for name, (datatype, shape) in OUTPUTS.items()
            ],
        }

    async def index(self, ready: bool) -> list[dict[str, str]]:
        """List the models of the store, or those that are served."""
        served = self.predictor.stored.tag
        tags = [served] if ready else await asyncio.to_thread(store.tags)
        if served not in tags:
            tags = [served, *tags]
        return [
            {
                "name": MODEL_NAME,
                "version": tag.partition(":")[2],
                "state": "READY" if tag == served else "UNAVAILABLE",
                "reason": "" if tag == served else "another version is served",
            }
            for tag in tags
        ]

    async def load(self) -> str:
        """Let every worker of this host serve the newest model; return its version."""
        try:
            await self._swapper.workers.refresh()
        except (store.ModelError, WorkerError) as error:
            raise RequestError(400, f"{self.predictor.stored.tag} goes on serving: {error}") from None
        return self.version

    def unload_refused(self) -> RequestError:
        return RequestError(400, f"{MODEL_NAME} is the only model and cannot be unloaded")
