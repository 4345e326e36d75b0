"""A stand-in for the Hugging Face hub on 127.0.0.1: it keeps one Space, by the calls that huggingface_hub makes."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import yaml

SPACE = "somebody/gender-classifier"
TOKEN = "hf_of-a-test"  # noqa: S105 - it opens nothing
# The hub takes such files by LFS only.
_BINARY = (".png", ".npz", ".skops")


class Hub:
    """The Space `SPACE`: its files, how often it was committed to, and what was asked of the hub."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.exists = False
        self.files: dict[str, bytes] = {}
        self.large: dict[str, bytes] = {}
        self.commits = 0
        self.asked: list[str] = []

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """Return the status and the JSON body for one request."""
        route = f"{method} {path.partition('?')[0]}"
        self.asked.append(route)
        if method == "PUT":
            self.large[hashlib.sha256(body).hexdigest()] = body
            return 200, {}
        if not self.exists and route != "POST /api/repos/create":
            return 404, {"error": "Repository not found"}
        api = f"/api/spaces/{SPACE}"
        answers: dict[str, Callable[[], tuple[int, Any]]] = {
            "POST /api/repos/create": lambda: self._create(json.loads(body)),
            f"GET {api}/tree/main": lambda: (200, [self._entry(name) for name in self.files]),
            f"GET {api}/revision/main": lambda: (200, {"id": SPACE, "sha": self._head(), "siblings": []}),
            "POST /api/validate-yaml": lambda: self._validate(json.loads(body)["content"]),
            f"POST {api}/preupload/main": lambda: (
                200,
                {"files": [self._mode(file["path"]) for file in json.loads(body)["files"]]},
            ),
            f"POST /spaces/{SPACE}.git/info/lfs/objects/batch": lambda: (
                200,
                {"transfer": "basic", "objects": [self._upload(one) for one in json.loads(body)["objects"]]},
            ),
            f"POST {api}/commit/main": lambda: self._commit([json.loads(line) for line in body.splitlines()]),
        }
        unknown = 404, {"error": f"the stand-in does not know {route}"}
        return answers.get(route, lambda: unknown)()

    def _create(self, wanted: dict[str, Any]) -> tuple[int, Any]:
        assert (wanted["organization"], wanted["name"]) == tuple(SPACE.split("/"))
        assert (wanted["type"], wanted["sdk"]) == ("space", "docker")
        status = 409 if self.exists else 200
        self.exists = True
        return status, {"url": f"{self.url}/spaces/{SPACE}"}

    def _validate(self, card: str) -> tuple[int, Any]:
        about = yaml.safe_load(card.split("---")[1])
        wrong = {"title", "emoji", "colorFrom", "colorTo", "sdk"} - set(about)
        return (400 if wrong else 200), {"errors": [{"message": f"missing: {each}"} for each in wrong], "warnings": []}

    def _mode(self, path: str) -> dict[str, Any]:
        large = path.endswith(_BINARY)
        entry: dict[str, Any] = self._entry(path) if path in self.files else {"oid": None}
        oid = entry["lfs"]["oid"] if "lfs" in entry else entry["oid"]
        return {"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": oid}

    def _upload(self, wanted: dict[str, Any]) -> dict[str, Any]:
        there = wanted["oid"] in self.large
        upload = {"upload": {"href": f"{self.url}/lfs/{wanted['oid']}"}}
        return wanted if there else {**wanted, "actions": upload}

    def _entry(self, path: str) -> dict[str, Any]:
        content = self.files[path]
        entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": _git_oid(content)}
        if path.endswith(_BINARY):
            entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        return entry

    def _commit(self, lines: list[dict[str, Any]]) -> tuple[int, Any]:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                assert not value["path"].endswith(_BINARY)
                self.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.files[value["path"]] = self.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del self.files[value["path"]]
            else:
                assert line["key"] == "header", line
        self.commits += 1
        return 200, {"commitUrl": f"{self.url}/spaces/{SPACE}/commit/{self._head()}", "commitOid": self._head()}

    def _head(self) -> str:
        return f"{self.commits:040x}"


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@contextmanager
def running() -> Iterator[Hub]:
    """Run a hub, on a free port, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            # An upload is authorised by its address, as on S3.
            allowed = self.command == "PUT" or self.headers.get("Authorization") == f"Bearer {TOKEN}"
            status, answer = (
                hub.answer(self.command, self.path, body)
                if allowed
                else (401, {"error": "Invalid username or password."})
            )
            sent = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub = Hub(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()
