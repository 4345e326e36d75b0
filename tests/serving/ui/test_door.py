"""What stands before the page: its first visit, its key, its prefix, what may be asked of it, how it is counted."""

import json
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import httpx
import psutil
import pytest
from playwright.sync_api import Browser, expect

from serving.schema import CLASSES, NAMES
from serving.ui.examples import EXAMPLES
from serving.ui.texts import TEXTS
from tests.models import as_rows, plausible_rows
from tests.servers import Server, serving
from tests.serving.ui.conftest import watched
from tests.serving.ui.proxy import behind

pytestmark = pytest.mark.slow
KEY = "first-key"
ME = ("anyone", KEY)
ROWS = f"{','.join(NAMES)}\n" + "\n".join(",".join(map(str, row)) for row in plausible_rows(5).tolist())


class FirstVisit(NamedTuple):
    """What happened when the page was opened for the first time.

    before, after: whether the worker had pandas, which comes with Gradio.  parts: the page as it arrived.
    statuses: of API calls meanwhile.
    """

    server: Server
    before: bool
    after: bool
    parts: list[str]
    statuses: set[int]


def has_pandas(server: Server) -> bool:
    """Say whether any process of the server has pandas in its memory."""
    processes = [psutil.Process(server.process.pid), *psutil.Process(server.process.pid).children(recursive=True)]
    return any("/pandas/" in library.path for process in processes for library in process.memory_maps())


@pytest.fixture(scope="module")
def visit(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstVisit]:
    """A service of one worker with keys that looks for models all the time, while its page is opened."""
    folder = tmp_path_factory.mktemp("door")
    log, url = folder / "log", f"sqlite:///{folder}/log.db"
    settings = {"API_KEYS": f"{KEY} second-key", "MODEL_POLL_SECONDS": "0.1", "PREDICTION_LOG_URL": url}
    with serving(home, log, settings) as server:
        before = has_pandas(server)
        row = as_rows(plausible_rows(1))[0]
        headers = {"Authorization": f"Bearer {KEY}"}
        with ThreadPoolExecutor(1) as pool:
            page = pool.submit(open_page, server.url)
            statuses = set()
            while not page.done():
                statuses.add(httpx.post(f"{server.url}/predict_one", json=row, headers=headers).status_code)
        yield FirstVisit(server, before, has_pandas(server), page.result(), statuses)
        assert "failed" not in log.read_text()


def open_page(url: str) -> list[str]:
    with httpx.stream("GET", f"{url}/ui/", auth=ME, timeout=120) as answer:
        return list(answer.iter_text())


@pytest.fixture
def client(visit: FirstVisit) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=visit.server.url, timeout=60, auth=ME) as client:
        yield client


def test_gradio_is_loaded_at_the_first_visit_and_not_before(visit: FirstVisit) -> None:
    assert not visit.before
    assert visit.after


def test_the_first_visitor_reads_at_once_that_it_takes_a_moment(visit: FirstVisit) -> None:
    assert 'id="wait"' in visit.parts[0]
    assert "gradio_config = " not in visit.parts[0]
    assert "gradio_config = " in "".join(visit.parts[1:])


def test_the_api_answers_while_the_page_is_built(visit: FirstVisit) -> None:
    assert visit.statuses == {200}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/ui"), ("GET", "/ui/"), ("GET", "/ui/own/page.js"), ("POST", "/ui/rows"), ("PUT", "/ui/x")],
)
@pytest.mark.parametrize("auth", [None, ("anyone", "wrong"), (KEY, ""), ("", "")])
def test_without_a_key_the_browser_is_asked_for_one(
    method: str, path: str, auth: tuple[str, str] | None, visit: FirstVisit
) -> None:
    answer = httpx.request(method, f"{visit.server.url}{path}", auth=auth)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert "password is a key" in answer.json()["error"]


@pytest.mark.parametrize("header", ["Basic", "Basic ä", "Basic !!!", "Basic Zmlyc3Qta2V5", f"Bearer {KEY}", KEY])
def test_a_broken_header_is_no_key(header: str, visit: FirstVisit) -> None:
    headers = [(b"Authorization", header.encode())]
    assert httpx.get(f"{visit.server.url}/ui/", headers=headers).status_code == 401


@pytest.mark.parametrize("auth", [ME, ("", "second-key"), ("a user", KEY)])
def test_any_key_opens_for_any_user(auth: tuple[str, str], visit: FirstVisit) -> None:
    assert httpx.get(f"{visit.server.url}/ui/", auth=auth).status_code == 200


def test_the_address_without_a_slash_leads_to_the_page(client: httpx.Client) -> None:
    answer = client.get("/ui")
    assert answer.is_redirect
    # Relative: a prefix before it stays.
    assert answer.headers["location"] == "ui/"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/ui/nothing"),
        ("GET", "/ui/own/nothing"),
        ("GET", "/ui/own/../mount.py"),
        ("GET", "/ui/own/%2e%2e/mount.py"),
        ("GET", "/ui/config"),
        ("GET", "/ui/gradio_api/info"),
        ("GET", "/ui/gradio_api/file=/etc/passwd"),
        ("GET", "/ui/gradio_api/proxy=http://127.0.0.1/"),
        ("GET", "/ui/gradio_api/startup-events"),
        ("POST", "/ui/gradio_api/upload"),
        ("POST", "/ui/gradio_api/queue/join"),
        ("POST", "/ui/login"),
        ("POST", "/ui/gradio_api/run/other"),
    ],
)
def test_the_page_opens_no_other_door(method: str, path: str, client: httpx.Client) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "detail"}


def calls_of_the_page(visit: FirstVisit) -> dict[int, int]:
    """Return the number of inputs of each call that the page makes, by its index."""
    config = json.loads(re.findall(r"gradio_config = (.*?);</script>", "".join(visit.parts))[0])
    return {each["id"]: len(each["inputs"]) for each in config["dependencies"] if each["backend_fn"]}


def test_calls_that_the_page_does_not_make_are_refused_in_our_words(visit: FirstVisit, client: httpx.Client) -> None:
    calls = calls_of_the_page(visit)
    right, inputs = next(iter(calls.items()))
    bodies: list[object] = [
        {},
        [],
        {"fn_index": 10_000, "data": []},
        {"fn_index": right, "data": []},
        {"fn_index": right, "data": [0] * (inputs + 1)},
        {"fn_index": str(right), "data": [0] * inputs},
        {"fn_index": True, "data": [0] * inputs},
        {"fn_index": right, "data": "no"},
    ]
    contents = [b"", b"{", b"\xff", *(json.dumps(body).encode() for body in bodies)]
    for content in contents:
        answer = client.post("/ui/gradio_api/run/predict", content=content)
        assert answer.status_code == 400, content
        assert set(answer.json()) == {"error", "detail"}


@pytest.mark.parametrize("value", [None, "x", [], {"a": 1}, 1e9, -1, "1" * 5000, True])
def test_whatever_a_call_carries_is_answered_in_a_sentence(
    value: object, visit: FirstVisit, client: httpx.Client
) -> None:
    for index, inputs in calls_of_the_page(visit).items():
        answer = client.post("/ui/gradio_api/run/predict", json={"fn_index": index, "data": [value] * inputs})
        assert answer.status_code == 200
        if inputs > 1:
            assert TEXTS["en"]["not_possible"] in answer.json()["data"][0]
            assert len(answer.text) < 10_000


@pytest.mark.parametrize(
    ("query", "content", "said"),
    [
        ("first=two", ROWS.encode(), "expected the number of a line"),
        ("first=2", b"\xff\xfe", "not text in UTF-8"),
        ("first=2", b"a,b\n1,2", f"no column {NAMES[0]}"),
        ("first=2", b"", f"no column {NAMES[0]}"),
    ],
)
def test_a_piece_that_cannot_be_read_is_refused(query: str, content: bytes, said: str, client: httpx.Client) -> None:
    answer = client.post(f"/ui/rows?{query}", content=content)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def series(client: httpx.Client, pattern: str) -> dict[str, float]:
    """Return the value of every series whose line matches."""
    lines = [line for line in client.get("/metrics").text.splitlines() if re.match(pattern, line)]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def test_rows_of_the_page_are_counted_as_its_own_and_visits_are_not(visit: FirstVisit, client: httpx.Client) -> None:
    pattern = r'model_predictions_total{.*protocol="ui"'
    before = series(client, pattern)
    assert len(before) == len(CLASSES)
    client.get("/ui/")
    index, inputs = max(calls_of_the_page(visit).items(), key=lambda each: each[0] if each[1] > 1 else -1)
    # The last of the calls with a row is the one that opens the page.
    row = [*EXAMPLES[CLASSES[0]].values(), "en"]
    assert len(row) == inputs
    client.post("/ui/gradio_api/run/predict", json={"fn_index": index, "data": row}).raise_for_status()
    assert series(client, pattern) == before
    answer = client.post("/ui/rows?first=2", content=ROWS).raise_for_status().json()
    assert len(answer["rows"]) == 5
    assert sum(series(client, pattern).values()) == sum(before.values()) + 5


def test_values_refused_in_a_file_count_as_implausible(client: httpx.Client) -> None:
    before = sum(series(client, "model_implausible_total").values())
    client.post("/ui/rows?first=2", content=f"{','.join(NAMES)}\n{','.join(['999'] * len(NAMES))}").raise_for_status()
    assert sum(series(client, "model_implausible_total").values()) == before + len(NAMES)


def test_requests_below_the_page_share_one_label(client: httpx.Client) -> None:
    for i in range(30):
        client.get(f"/ui/own/{i}")
    labels = set(re.findall(r'endpoint="(/ui[^"]*)"', client.get("/metrics").text))
    assert "/ui/*" in labels
    assert labels <= {"/ui", "/ui/*"}


def labels_of(visit: FirstVisit) -> dict[str, str]:
    """Return the true labels that the log holds, by prediction."""
    with closing(sqlite3.connect(visit.server.log.parent / "log.db")) as log:
        return dict(log.execute("select prediction_id, actual from feedback"))


def test_was_this_right_is_asked_of_a_prediction_and_recorded(visit: FirstVisit, browser: Browser) -> None:
    words = TEXTS["id"]
    with watched(browser, visit.server.url, "id-ID", password=KEY) as page:
        # The row that the page opens with is nobody's prediction.
        expect(page.locator(".truth")).to_have_count(0)
        page.get_by_role("button", name=words[f"example_{CLASSES[0]}"]).click()
        # Some changes make some answers: the last is in the page when it no longer waits for any.
        page.wait_for_load_state("networkidle")
        for label in (*CLASSES, CLASSES[0]):
            with page.expect_response("**/ui/feedback") as answer:
                page.locator(".truth").get_by_role("button", name=label, exact=True).click()
            assert answer.value.json()["recorded"]
            name = answer.value.json()["prediction_id"]
            expect(page.locator(".truth [role=status]")).to_have_text(words["truth_thanks"].format(label))
            expect(page.locator(".truth [aria-pressed=true]")).to_have_text(label)
            assert labels_of(visit)[name] == label


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'{"prediction_id": "x"}', 400),
        (b'{"prediction_id": "x", "actual": "neither"}', 400),
        (json.dumps({"prediction_id": "x", "actual": CLASSES[0]}).encode(), 404),
    ],
)
def test_wrong_feedback_is_refused_as_by_the_api(body: bytes, status: int, client: httpx.Client) -> None:
    answer = client.post("/ui/feedback", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "detail"}
    assert client.post("/ui/feedback", content=body).status_code == 415


def test_it_works_behind_a_proxy_that_takes_a_prefix_off_and_asks_for_the_key(
    visit: FirstVisit, browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text(ROWS)
    with behind("/some/where", visit.server.url) as url, watched(browser, url, password=KEY) as page:
        page.get_by_role("button", name=TEXTS["en"]["example_unusual"]).click()
        expect(page.locator(".verdict .notice")).to_be_visible()
        page.get_by_role("tab", name=TEXTS["en"]["tabs_rows"]).click()
        page.set_input_files("#rows-file", file)
        expect(page.locator(".tiles dd").first).to_have_text("5")
        page.get_by_role("tab", name=TEXTS["en"]["tabs_model"]).click()
        page.wait_for_selector(".plots")
        page.goto(f"{url}/")
        page.get_by_role("link", name="README").click()
        expect(page.locator("h1")).to_be_visible()
        page.goto(f"{url}/")
        page.get_by_role("link", name="Try it").click()
        page.wait_for_selector(".call")


def test_switched_off_there_is_no_page_and_no_link_to_it(home: Path, tmp_path: Path) -> None:
    with serving(home, tmp_path / "log", {"UI": "off"}) as server:
        assert [httpx.get(f"{server.url}{path}").status_code for path in ("/ui", "/ui/", "/ui/own/page.js")] == [
            404
        ] * 3
        root = httpx.get(server.url).text
        assert "./ui/" not in root
        assert "./README.md" in root
