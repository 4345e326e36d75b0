"""The ASGI application that BentoML makes, with our door: errors of one shape, our index page, our middlewares.

Everything here overrides private classes of bentoml, which is why pyproject.toml pins it to one minor release.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property, lru_cache
from typing import Any

from _bentoml_impl.server.app import ContextMiddleware, ServiceAppFactory
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.runner.container import DataContainerRegistry, DefaultContainer
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from serving import oip, site, tracing, ui
from serving.drain import DrainMiddleware
from serving.errors import error_response, http_error, unexpected
from serving.guard import Cors, Guard, Rule
from serving.lanes import Lane, LaneMiddleware
from serving.metrics import only
from serving.settings import Settings
from serving.traffic import UNMATCHED, TrafficMiddleware
from serving.worker import Worker

_UNCOUNTED = frozenset({"/livez", "/healthz", "/readyz", "/metrics"})
_PAGES = frozenset({"/", "/docs.json", "/schema.json", *site.PAGES})
_STATIC = "/static_content/"

# Rows that wait to be merged are lists. BentoML would ask for each of them whether it is one of seven other types.
DataContainerRegistry.register_container(list, list, DefaultContainer)


class AppFactory(ServiceAppFactory):
    """Makes the application of one worker."""

    def __call__(self) -> Starlette:
        app: Starlette = super().__call__()
        # A redirect from /predict/ would only hide a wrong URL, and drop the body on the way in some clients.
        app.router.redirect_slashes = False
        app.add_exception_handler(HTTPException, http_error)
        app.add_exception_handler(Exception, unexpected)
        app.router.routes.extend(site.routes())
        return app

    @cached_property
    def worker(self) -> Worker:
        settings: Settings = self.service.inner.settings
        return Worker(settings, self.service.version)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncGenerator[None, None]:
        """Run the worker's other servers as long as the application runs."""
        async with (
            super().lifespan(app),
            self.worker.running(self._service_instance.predictor, self._service_instance.tag),
        ):
            yield

    @property
    def middlewares(self) -> list[Middleware]:
        """The order: drain, metrics, spans, access log, CORS, guard, /v2, the API, BentoML's context, route."""
        worker = self.worker
        kept = [Middleware(DrainMiddleware, drain=worker.drain)]
        for middleware in super().middlewares:
            # TimeoutMiddleware never cancels its timers.
            if middleware.cls is TimeoutMiddleware:
                continue
            if middleware.cls is OpenTelemetryMiddleware:
                if worker.settings.tracing:
                    kept.append(Middleware(OpenTelemetryMiddleware, **middleware.kwargs, **tracing.HTTP_OPTIONS))
                continue
            if middleware.cls is RunnerTrafficMetricsMiddleware:
                kept.append(Middleware(TrafficMiddleware, traffic=lambda: worker.traffic, label=self._label))
                continue
            if middleware.cls is ContextMiddleware:
                if worker.settings.cors_origins:
                    kept.append(Middleware(Cors, settings=worker.settings))
                kept.append(
                    Middleware(
                        Guard,
                        admission=worker.admission,
                        max_body_bytes=worker.settings.max_body_bytes,
                        rule=self._rule,
                    )
                )
                kept.append(Middleware(oip.OpenInference, repository=lambda: worker.repository))
                kept.append(Middleware(LaneMiddleware, lanes=lambda: self._lanes))
            kept.append(middleware)
        return kept

    @cached_property
    def _apis(self) -> dict[str, Rule]:
        return {api.route: Rule() for api in self.service.apis.values()}

    @cached_property
    def _rule(self) -> Callable[[str], Rule | None]:
        return lru_cache(self._find_rule)

    @cached_property
    def _label(self) -> Callable[[str], str]:
        return lru_cache(self._find_label)

    def _find_rule(self, path: str) -> Rule | None:
        page = ui.rule(path) if self.worker.settings.ui == "on" else None
        return self._apis.get(path) or oip.rule(path) or page

    def _find_label(self, path: str) -> str:
        """Name the series of a path, of which there are as many as there are routes; empty for metrics and health."""
        if path in _UNCOUNTED:
            return ""
        if path in self._apis or path in _PAGES:
            return path
        for folder in (_STATIC, site.PICTURES):
            if path.startswith(folder):
                return f"{folder}*"
        return oip.label(path) or ui.label(path) or UNMATCHED

    @cached_property
    def _lanes(self) -> dict[str, Lane]:
        service = self._service_instance
        for name in self.service.apis:
            # BentoML would bind a method, and read its signature, anew for each call.
            setattr(service, name, getattr(service, name))

        def call(name: str) -> Callable[..., Awaitable[Any]]:
            if self.service.apis[name].batchable:
                return lambda **arguments: self.batch_infer(name, (), arguments)
            method: Callable[..., Awaitable[Any]] = getattr(service, name).local
            return method

        return {
            api.route: Lane(api.input_spec, call(name), service.predictor.refused)
            for name, api in self.service.apis.items()
        }

    def metrics(self, _: Request) -> Response:
        """Say the metrics of the model that answers and of the one before, and everything that is not a model's."""
        client: Any = BentoMLContainer.metrics_client.get()
        return Response(
            only(self.worker.repository.models, client.generate_latest()), media_type=client.CONTENT_TYPE_LATEST
        )

    async def readyz(self, request: Request) -> Response:
        """Say whether requests shall be sent here."""
        if self.worker.drain.draining:
            return error_response(503, "the service is shutting down")
        response: Response = await super().readyz(request)
        return response

    async def openapi_spec_view(self, _: Request) -> Response:
        """Serve the OpenAPI document."""
        return JSONResponse(self._document)

    @cached_property
    def _document(self) -> dict[str, Any]:
        described: dict[str, Any] = self.service.openapi_spec
        return described

    async def index_page(self, _: Request) -> Response:
        """Serve a page that leads everywhere. BentoML's own would call a tracker of another host."""
        return site.index(self.worker.settings)
