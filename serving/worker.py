"""One worker process beside its HTTP application: what its protocols share, and what runs as long as it does."""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cached_property
from pathlib import Path

import psutil

from serving.admission import Admission
from serving.drain import Drain
from serving.predictor import Predictor
from serving.process import tune
from serving.repository import Repository
from serving.settings import Settings
from serving.swap import Swapper
from serving.traffic import Traffic


class Worker:
    """Made with the application; `running` gives it the rest when BentoML has made the service.

    Args:
        version: of the Bento, or what stands for it.
    """

    repository: Repository

    def __init__(self, settings: Settings, version: str) -> None:
        self.settings = settings
        self.admission = Admission(settings)
        self.drain = Drain(settings.shutdown_delay_seconds, settings.shutdown_timeout_seconds)
        self._version = version

    @cached_property
    def traffic(self) -> Traffic:
        return Traffic()

    @asynccontextmanager
    async def running(self, predictor: Predictor, tag: str) -> AsyncGenerator[None, None]:
        """Follow the store's newest model and serve gRPC.

        Args:
            tag: of the model to serve, as `Swapper` takes it.
        """
        _forget_dead_workers()
        self.traffic.has_places(self.settings.max_concurrency)
        swapper = Swapper(predictor, tag, self.settings.model_poll_seconds)
        self.repository = Repository(predictor, swapper, self.drain, self._version)
        await swapper.start()
        servers = []
        if self.settings.grpc_port:
            # Costs 27 MB, which a server without gRPC need not have.
            from serving.grpc import GrpcServer

            servers.append(GrpcServer(self.settings, self.admission, self.repository, self.traffic))
        for server in servers:
            await server.start()
        self.drain.install(servers)
        tune()
        try:
            yield
        finally:
            for server in servers:
                await server.stop(self.settings.shutdown_timeout_seconds)
            await swapper.close()


def _forget_dead_workers() -> None:
    """Remove the gauges of workers that were killed: their requests in progress would be counted for ever."""
    for file in Path(os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")).glob("gauge_live*_*.db"):
        if not psutil.pid_exists(int(file.stem.rpartition("_")[2])):
            file.unlink(missing_ok=True)
