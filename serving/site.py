"""The pages beside the API: the one at /, and the README as a page, for whoever opens the port and looks around."""

import re
from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route

from serving.settings import Settings

_PAGES = Path(__file__).parent / "pages"
_ROOT = Path(__file__).parent.parent
_LANGUAGES = {"/README.md": "en", "/README.id.md": "id"}
PAGES = tuple(_LANGUAGES)
PICTURES = "/docs/"


def index(settings: Settings) -> Response:
    """Return the page that leads everywhere. BentoML's own would call a tracker of another host."""
    page = (_PAGES / "index.html").read_text(encoding="utf-8")
    if settings.ui == "off":
        page = re.sub(r"<!-- ui -->.*?<!-- /ui -->", "", page, flags=re.DOTALL)
    return HTMLResponse(page)


def routes() -> list[Route]:
    """Return the routes of the README in both languages and of its pictures."""
    return [*(Route(path, _readme) for path in PAGES), Route(f"{PICTURES}{{name}}.png", _picture)]


def _readme(request: Request) -> Response:
    path = request.scope["path"]
    return HTMLResponse(_rendered(_ROOT / path.lstrip("/"), _LANGUAGES[path]))


def _picture(request: Request) -> Response:
    # The router lets no slash into a name.
    file = _ROOT / "docs" / f"{request.path_params['name']}.png"
    if not file.is_file():
        raise HTTPException(404)
    return FileResponse(file)


@cache
def _rendered(file: Path, language: str) -> str:
    # A page that few ask for: it costs the server nothing before.
    from markdown_it import MarkdownIt

    if not file.is_file():
        raise HTTPException(404)
    text = file.read_text(encoding="utf-8")
    # HTML in it stays text.
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    # The server has the README and its pictures; other files of the repository would be dead links.
    kept = "|".join(["https?:", "#", *(re.escape(path[1:]) for path in PAGES)])
    body = re.sub(rf'<a href="(?!{kept})[^"]*">(.*?)</a>', r"\1", body, flags=re.DOTALL)
    page = (_PAGES / "readme.html").read_text(encoding="utf-8")
    return page.replace('lang="en"', f'lang="{language}"').replace("<!-- body -->", body)
