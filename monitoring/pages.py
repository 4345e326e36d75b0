"""The monitor's own port: metrics, the index of the reports and the reports."""

import html
import json
import threading
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Reports</title><style>body{{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}}
table{{border-collapse:collapse;width:100%}}td,th{{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #ccc}}
td:nth-child(3),td:nth-child(4){{text-align:right}}</style>
<h1>Reports about live predictions</h1><p>{latest}</p>
<table><tr><th>made (UTC)<th>model<th>rows<th>labels<th>compared with<th>report</tr>
{rows}</table></html>"""


def write_index(folder: Path, sentence: str) -> None:
    """Write the page that leads to every report, newest first. `sentence` says how the last look went."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for file in sorted(folder.glob("*Z.json"), reverse=True):
        about = json.loads(file.read_text())
        made = datetime.fromtimestamp(about["time"], UTC).strftime("%Y-%m-%d %H:%M:%S")
        links = " ".join(
            f'<a href="{file.stem}-{kind}.html">{kind}</a> (<a href="{file.stem}-{kind}.json">JSON</a>)'
            for kind in about["kinds"]
        )
        cells = (made, html.escape(about["model"]), about["rows"], about["labelled"], html.escape(about["reference"]))
        rows.append(f"<tr>{''.join(f'<td>{cell}' for cell in cells)}<td>{links}</tr>")
    unfinished = folder / ".index.html"
    unfinished.write_text(_PAGE.format(latest=html.escape(sentence), rows="\n".join(rows)), encoding="utf-8")
    unfinished.replace(folder / "index.html")


class _Pages(SimpleHTTPRequestHandler):
    def __init__(self, *arguments: object, registry: CollectorRegistry, directory: str) -> None:
        self._registry = registry
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self.path != "/metrics":
            super().do_GET()
            return
        body = generate_latest(self._registry)
        self.send_response(200)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def list_directory(self, path: object) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


def serve(host: str, port: int, folder: Path, registry: CollectorRegistry) -> ThreadingHTTPServer:
    """Serve the folder of the reports and /metrics in the background."""
    server = ThreadingHTTPServer((host, port), partial(_Pages, registry=registry, directory=str(folder)))
    threading.Thread(target=server.serve_forever, name="pages", daemon=True).start()
    return server
