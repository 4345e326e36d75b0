"""BentoML's service and its ASGI application with our door: errors of one shape, our index page, our middlewares.

Everything here overrides private classes of bentoml, which is why pyproject.toml pins it to one minor release.
"""

import logging
from functools import cached_property
from pathlib import Path
from typing import Any

from _bentoml_impl.server.app import ContextMiddleware, ServiceAppFactory
from _bentoml_sdk import Service as BentoService
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware
from bentoml._internal.server.http.traffic import TimeoutMiddleware
from bentoml.exceptions import ServiceUnavailable
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from serving.errors import error_response, implausible, invalid
from serving.guard import Cors, Guard
from serving.openapi import document
from serving.settings import Settings
from serving.traffic import BoundedTrafficMetrics

logger = logging.getLogger("bentoml.service")
_UNEXPECTED = "an unexpected error; the server's log has it"
_INDEX = Path(__file__).parent / "pages" / "index.html"


class AppFactory(ServiceAppFactory):
    """Makes the application of one worker."""

    def __call__(self) -> Starlette:
        app: Starlette = super().__call__()
        # A redirect from /predict/ would only hide a wrong URL, and drop the body on the way in some clients.
        app.router.redirect_slashes = False
        app.add_exception_handler(HTTPException, _http_error)
        app.add_exception_handler(Exception, _unexpected)
        return app

    @property
    def middlewares(self) -> list[Middleware]:
        """The order of a request: metrics, access log, CORS, guard, BentoML's context, route."""
        settings: Settings = self.service.inner.settings
        apis = [api.route for api in self.service.apis.values()]
        systems = [route.path for route in self.get_system_routes() if isinstance(route, Route)]
        kept: list[Middleware] = []
        for middleware in super().middlewares:
            # TimeoutMiddleware never cancels its timers, and OpenTelemetry's spans cost as much as the request itself.
            if middleware.cls in (TimeoutMiddleware, OpenTelemetryMiddleware):
                continue
            if middleware.cls is RunnerTrafficMetricsMiddleware:
                routes = {*apis, *systems, "/", "/docs.json", "/schema.json"}
                folders = ("/static_content/",)
                kept.append(Middleware(BoundedTrafficMetrics, routes=routes, folders=folders, **middleware.kwargs))
                continue
            if middleware.cls is ContextMiddleware:
                if settings.cors_origins:
                    kept.append(Middleware(Cors, settings=settings))
                kept.append(Middleware(Guard, settings=settings, routes=apis))
            kept.append(middleware)
        return kept

    async def api_endpoint(self, name: str, request: Request) -> Response:
        """Answer an API call, or say what is wrong with it."""
        try:
            response: Response = await super().api_endpoint(name, request)
        except ValidationError as error:
            self._service_instance.predictor.metrics.refused(implausible(error))
            return invalid(error, list(self.service.apis[name].input_spec.model_fields)).response()
        except ServiceUnavailable:
            return error_response(503, "the service is overloaded: try again in a moment", headers={"Retry-After": "1"})
        except Exception:
            logger.exception("%s failed", name)
            return error_response(500, _UNEXPECTED)
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
        return HTMLResponse(_INDEX.read_text())


class Service(BentoService[Any]):
    """A BentoML service whose application is made by `AppFactory`."""

    @property
    def baked_models(self) -> list[str]:
        """The tags of the models that the Bento carries; none when served from source."""
        return [str(model.tag) for model in self.bento.info.all_models] if self.bento else []

    @property
    def openapi_spec(self) -> dict[str, Any]:
        version = str(self.bento.tag.version) if self.bento else "development"
        return document(
            self.name, self.inner.__doc__ or "", version, self.apis.values(), bool(self.inner.settings.api_keys)
        )

    def to_asgi(self, is_main: bool = True) -> Starlette:
        self.inject_config()
        return AppFactory(self, is_main=is_main)()


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 404:
        message = f"there is nothing at {path}: see / for what there is"
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{request.method} is not allowed on {path}; allowed: {allowed}"
    else:
        message = error.detail
    return error_response(error.status_code, message, headers=error.headers)


def _unexpected(request: Request, error: Exception) -> Response:
    return error_response(500, _UNEXPECTED)
