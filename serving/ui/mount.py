"""/ui: the page, the pieces of a file, and the door to Gradio, which is imported and built at the first visit."""

import asyncio
import importlib.util
import logging
import os
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import bentoml
import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from serving.errors import http_error, unexpected
from serving.feedback import Feedback
from serving.guard import Rule
from serving.predictor import Predictor
from serving.settings import Settings
from serving.store import not_importing
from serving.ui.calls import call
from serving.ui.examples import example_csv
from serving.ui.page import after, before, failed
from serving.ui.pieces import answer_piece
from serving.ui.truth import take_feedback

logger = logging.getLogger("bentoml.service")
_STATIC = Path(__file__).parent / "static"
# What the page asks of Gradio. The rest of its routes (upload, proxy, queue, files) would only be a larger target.
_READ = ("/assets/", "/static/", "/theme.css", "/svelte/")
_FEEDBACK = "/ui/feedback"
_CALL = "/gradio_api/run/predict"
# The page may talk to this server only, whatever Gradio's front end would like to fetch.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:"
)


class UiError(Exception):
    """There can be no page. The message is one sentence for whoever starts the server."""


def require_gradio() -> None:
    """Raise UiError if Gradio is not installed, as in the image without the page. Does not import it."""
    if importlib.util.find_spec("gradio") is None:
        raise UiError("UI is on and Gradio is not installed: set UI=off, or install requirements/serve.txt")


def make_ui(settings: Settings) -> Starlette:
    """Return the application to mount at the root; it answers /ui and what is below it."""
    ui = _Ui(settings)
    return Starlette(
        routes=[
            # Relative, so that it holds behind any prefix.
            Route("/ui", lambda _: RedirectResponse("ui/")),
            Route("/ui/", ui.page),
            Route("/ui/example.csv", lambda _: PlainTextResponse(example_csv(), media_type="text/csv")),
            Route("/ui/rows", partial(answer_piece, predictor=_predictor), methods=["POST"]),
            Route(_FEEDBACK, partial(take_feedback, feedback=_feedback), methods=["POST"]),
            Mount("/ui/own", StaticFiles(directory=_STATIC)),
            Mount("/ui", ui.gradio),
        ],
        exception_handlers={HTTPException: http_error, Exception: unexpected},
    )


def rule(path: str) -> Rule | None:
    """Return what the guard shall ask of a request: a key as the password of HTTP Basic, for the page and its parts."""
    return Rule(json=path == _FEEDBACK, page=True) if label(path) else None


def label(path: str) -> str | None:
    """Return the label of a path in the request metrics."""
    if path.startswith("/ui/"):
        return "/ui/*"
    return path if path == "/ui" else None


def _feedback() -> Feedback:
    feedback: Feedback = bentoml.get_current_service().truth
    return feedback


def _predictor() -> Predictor:
    predictor: Predictor = bentoml.get_current_service().predictor
    return predictor


class _Built(NamedTuple):
    """Gradio's application with /ui in it, how many inputs each of its calls has, and the end of the page."""

    app: ASGIApp
    calls: Mapping[int, int]
    page: str


class _Ui:
    def __init__(self, settings: Settings) -> None:
        self._reports = settings.monitor_folder
        self._piece_bytes = min(2**18, settings.max_body_bytes // 2)
        self._building: asyncio.Task[_Built] | None = None

    def _built(self) -> "asyncio.Task[_Built]":
        """Return the task that builds the page, once in a worker."""
        if self._building is None or (self._building.done() and self._building.exception()):
            self._building = asyncio.create_task(_build(self._reports))
        return self._building

    async def page(self, request: Request) -> Response:
        """Send the page's head at once, with a note to wait, and the rest when Gradio is there."""
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff"}
        return StreamingResponse(self._parts(), media_type="text/html", headers=headers)

    async def _parts(self) -> AsyncIterator[str]:
        yield before(self._piece_bytes)
        try:
            # Shielded: whoever leaves while it is built does not end it for the others.
            built = await asyncio.shield(self._built())
        except Exception:
            logger.exception("the page at /ui could not be built")
            yield failed()
        else:
            yield built.page

    async def gradio(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on what the page needs of Gradio, and nothing else."""
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope["root_path"])
        if path == _CALL and scope["method"] == "POST":
            built = await asyncio.shield(self._built())
            await call(built.app, built.calls, scope, receive, send)
        elif path.startswith(_READ) and scope["method"] in ("GET", "HEAD"):
            built = await asyncio.shield(self._built())
            await built.app({**scope, "root_path": scope["app_root_path"]}, receive, send)
        else:
            raise HTTPException(404)


async def _build(reports: Path) -> _Built:
    app, calls = await asyncio.to_thread(_import_and_build, reports)
    # Not started as an application: it would only run Gradio's queue, which nothing here uses.
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ui") as client:
        own = await client.get("/ui/", headers={"accept-encoding": "identity"})
    return _Built(app, calls, after(own.raise_for_status().text))


def _import_and_build(reports: Path) -> tuple[ASGIApp, Mapping[int, int]]:
    # It would tell its makers of every start.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    with not_importing:
        import fastapi
        import gradio as gr

        from serving.ui.blocks import I18N, build
    blocks = build(_predictor, reports)
    app = gr.mount_gradio_app(
        fastapi.FastAPI(),
        blocks,
        "/ui",
        i18n=I18N,
        # Fonts of the system: Gradio's own come from another host.
        theme=gr.themes.Base(font="system-ui", font_mono="ui-monospace"),
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        pwa=False,
    )
    return app, {index: len(each.inputs) for index, each in blocks.fns.items() if each.fn}
