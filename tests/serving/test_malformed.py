"""Everything a client can get wrong, on every route: the expected status, a useful sentence, and no harm done."""

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from serving.schema import FEATURES, NAMES, Flag
from tests.models import as_rows, plausible_rows

pytestmark = pytest.mark.slow
GOOD = as_rows(plausible_rows(1))[0]
FLAG = next(feature for feature in FEATURES if isinstance(feature, Flag))
NUMBER = next(feature for feature in FEATURES if not isinstance(feature, Flag))
JSON = "application/json"
ONE_ROW = ("/predict_one", "/explain")


@dataclass(frozen=True)
class Bad:
    """A request that must be refused: what to send, and the status and words of the answer."""

    name: str
    path: str
    body: bytes
    status: int
    words: tuple[str, ...]
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": JSON})


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


def bad_rows() -> list[tuple[str, Any, tuple[str, ...]]]:
    """Return (name, row, words of the sentence) of rows that are not one."""
    flag, number = FLAG.name, NUMBER.name
    wrong: list[tuple[str, Any]] = [
        ("text", "1"), ("true", True), ("null", None), ("list", [1]), ("object", {}), ("half", 0.5), ("two", 2),
        ("negative", -1), ("NaN", float("nan")), ("infinity", float("inf")), ("huge", 10**400),
    ]  # fmt: skip
    rows: list[tuple[str, Any, tuple[str, ...]]]
    rows = [(f"flag is {name}", GOOD | {flag: value}, (flag, FLAG.expected)) for name, value in wrong]
    wrong = [
        ("text", "12"), ("true", True), ("null", None), ("list", []), ("object", {"cm": 12}), ("NaN", float("nan")),
        ("minus infinity", float("-inf")), ("too small", NUMBER.low - 0.1), ("too large", NUMBER.high + 0.1),
        ("huge", 10**400), ("0", 0),
    ]  # fmt: skip
    rows += [(f"number is {name}", GOOD | {number: value}, (number, NUMBER.expected)) for name, value in wrong]
    rows += [
        (f"{name} is missing", {k: v for k, v in GOOD.items() if k != name}, (name, "missing")) for name in NAMES[:2]
    ]
    rows += [
        ("a field is unknown", GOOD | {"shoe_size": 40}, ("shoe_size", "not known", NAMES[0])),
        ("a name in capitals", {k.upper(): v for k, v in GOOD.items()}, (NAMES[0], "missing")),
        ("empty", {}, (NAMES[0], "missing")),
    ]
    return rows


def requests() -> list[Bad]:
    found = []
    for path in ONE_ROW:
        found += [Bad(name, path, dumped(row), 400, words) for name, row, words in bad_rows()]
        found += [
            Bad("a list", path, dumped([GOOD]), 400, ("the body", "object")),
            Bad("a number", path, b"7", 400, ("the body", "object")),
            Bad("rows", path, dumped({"rows": [GOOD]}), 400, ("missing",)),
        ]
    for name, row, words in bad_rows():
        found.append(Bad(f"second row: {name}", "/predict", dumped({"rows": [GOOD, row]}), 400, ("rows[1]", *words)))
    for name, body, words in [
        ("no rows", {"rows": []}, ("rows has 0 items", "expected 1 to 10000")),
        ("rows is a row", {"rows": GOOD}, ("rows", "list")),
        ("rows is text", {"rows": "all"}, ("rows", "list")),
        ("rows is null", {"rows": None}, ("rows", "list")),
        ("rows is missing", {}, ("rows", "missing")),
        ("a row without rows", GOOD, ("rows", "missing")),
        ("rows of rows", {"rows": [[GOOD]]}, ("rows[0]", "object")),
        ("rows of numbers", {"rows": [1, 2]}, ("rows[0]", "object")),
        ("rows of null", {"rows": [None]}, ("rows[0]", "object")),
        ("an extra key", {"rows": [GOOD], "model": "x"}, ("model", "not known")),
        ("a list", [GOOD], ("the body", "object")),
        ("too many rows", {"rows": [{}] * 10_001}, ("rows has 10001 items", "expected 1 to 10000")),
    ]:
        found.append(Bad(name, "/predict", dumped(body), 400, words))
    for path in (*ONE_ROW, "/predict"):
        found += [
            Bad("nothing", path, b"", 400, ("not JSON",)),
            Bad("half an object", path, b'{"rows": [', 400, ("not JSON",)),
            Bad("not JSON", path, b"long_hair=1", 400, ("not JSON",)),
            Bad("not UTF-8", path, b'{"\xff": 1}', 400, ("not JSON",)),
            Bad("deeply nested", path, b"[" * 100_000, 400, ("not JSON",)),
            Bad("too large", path, b" " * 1_000_001, 413, ("1000000 bytes", "MAX_BODY_BYTES")),
            Bad("GET", path, b"", 405, ("GET", path, "allowed: POST"), method="GET"),
            Bad("PUT", path, dumped(GOOD), 405, ("PUT", "allowed: POST"), method="PUT"),
            Bad("DELETE", path, b"", 405, ("DELETE", "allowed: POST"), method="DELETE"),
            Bad("a last slash", f"{path}/", dumped(GOOD), 404, (f"{path}/",)),
            Bad("gzip", path, b"x", 415, ("gzip",), headers={"content-type": JSON, "content-encoding": "gzip"}),
        ]
        for kind in (
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "application/vnd.bentoml+pickle",
            "application/octet-stream",
            "application/json; charset=utf-16",
            "json",
        ):
            found.append(Bad(kind, path, dumped(GOOD), 415, (kind, "application/json"), headers={"content-type": kind}))
        found.append(Bad("no content type", path, dumped(GOOD), 415, ("none", "application/json"), headers={}))
    for path in ("/nope", "/predict/1", "/%00", "/..%2f", "/v9/predict", "/static_content/nope.js"):
        found.append(Bad("an unknown path", path, b"", 404, ("there is nothing at",), method="GET"))
    found += [
        Bad("POST on a page", path, b"", 405, ("POST", path), headers={})
        for path in ("/", "/docs.json", "/metrics", "/livez", "/readyz")
    ]
    return found


BAD = requests()


def test_there_are_at_least_eighty() -> None:
    assert len(BAD) >= 80


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: f"{bad.path} {bad.name}")
def test_it_is_refused_with_a_useful_sentence(bad: Bad, client: httpx.Client) -> None:
    answer = client.request(bad.method, bad.path, content=bad.body, headers=bad.headers)
    assert answer.status_code == bad.status, answer.text
    error = answer.json()
    assert set(error) == {"error", "detail"}
    assert isinstance(error["detail"], list)
    for word in bad.words:
        assert word in error["error"]
    assert len(error["error"]) < 500
    assert "\n" not in error["error"]
    assert client.post("/predict_one", json=GOOD).status_code == 200


def test_every_problem_is_in_the_detail_and_a_flood_of_them_is_cut(client: httpx.Client) -> None:
    two = client.post("/predict_one", json=GOOD | {FLAG.name: 7, NUMBER.name: 0}).json()
    assert {tuple(item["location"]) for item in two["detail"]} == {(FLAG.name,), (NUMBER.name,)}
    assert two["error"].endswith("; 1 more problem in detail")
    flood = client.post("/predict", json={"rows": [{"x": 1}] * 5000}).json()
    assert len(flood["detail"]) == 100
    assert f"; {5000 * 7 - 1} more problems" in flood["error"]


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON", "application/json; charset=UTF-8"])
def test_json_is_taken_however_it_is_spelled(kind: str, client: httpx.Client) -> None:
    answer = client.post("/predict_one", content=dumped(GOOD), headers={"content-type": kind})
    assert answer.status_code == 200


def test_nothing_a_client_sends_is_logged(server: Any, client: httpx.Client) -> None:
    client.post("/predict_one", json=GOOD | {"secret-field": "secret-value"})
    assert "secret" not in server.log.read_text()
    assert "Traceback" not in server.log.read_text()
