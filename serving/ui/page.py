"""The HTML around Gradio: ours, because Gradio's names other hosts and knows no prefix."""

import json
import re
from pathlib import Path

from serving.schema import CLASSES, NAMES
from serving.ui.texts import LANGUAGES, TEXTS

_TEMPLATE = Path(__file__).parent / "static" / "page.html"
# The one place of the template where the page waits for Gradio.
_SPLIT = "<!-- gradio -->"
_TAKEN = (
    r"<script>window\.gradio_config = .*?;</script>",
    r"<script>window\.gradio_api_info = .*?;</script>",
    r'<script type="module"[^>]* src="\./assets/[^"]+"></script>',
    r'<link rel="stylesheet"[^>]* href="\./assets/[^"]+">',
)
MOST_MEGABYTES = 50


def before(piece_bytes: int) -> str:
    """Return the page up to where Gradio begins.

    Args:
        piece_bytes: how much of a file goes into one request, at most.
    """
    known = {
        "texts": TEXTS,
        "classes": CLASSES,
        "features": NAMES,
        "pieceBytes": piece_bytes,
        "mostMegabytes": MOST_MEGABYTES,
    }
    languages = "".join(f'<option value="{code}">{name}</option>' for code, name in LANGUAGES.items())
    # "<" cannot end the script that carries the texts.
    data = json.dumps(known).replace("<", "\\u003c")
    head = _parts()[0].replace("<!-- title -->", TEXTS["en"]["title"])
    return head.replace("<!-- languages -->", languages).replace("/* known */", data)


def after(gradio_page: str) -> str:
    """Return the rest of the page, with what Gradio's own page carries of its configuration and front end."""
    taken = []
    for pattern in _TAKEN:
        found = re.search(pattern, gradio_page, re.DOTALL)
        if found is None:
            raise RuntimeError(f"Gradio's page has nothing like {pattern}: serving/ui/page.py must follow Gradio")
        taken.append(found[0])
    return "\n".join(taken[:2]) + "\n<script>window.page.begin()</script>\n" + "\n".join(taken[2:]) + _parts()[1]


def failed() -> str:
    """Return the rest of a page that could not be built."""
    return "<script>window.page.fail()</script>" + _parts()[1]


def _parts() -> list[str]:
    return _TEMPLATE.read_text(encoding="utf-8").split(_SPLIT)
