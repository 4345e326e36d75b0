"""The live tab as a person sees it, with two workers behind it that both have counted."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from serving import store
from serving.reference import MIN_ROWS, Reference
from serving.schema import CLASSES, FEATURES, NAMES, Flag
from serving.ui.numbers import last_report
from serving.ui.texts import TEXTS
from tests.models import METRICS, as_rows, plausible_rows
from tests.monitoring.psi import psi, threshold
from tests.servers import Server, serving
from tests.serving.ui.conftest import PATIENCE_MS, watched
from tests.serving.ui.proxy import behind

expect.set_options(timeout=PATIENCE_MS)
SHIFTED = next(j for j, feature in enumerate(FEATURES) if not isinstance(feature, Flag))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the monitor would leave its reports."""
    return tmp_path_factory.mktemp("live") / "reports"


@pytest.fixture(scope="module")
def logged(home: Path, folder: Path) -> Iterator[Server]:
    """A service with two workers and a log."""
    log = f"sqlite:///{folder.parent}/log.db"
    settings = {"WORKERS": "2", "PREDICTION_LOG_URL": log, "MONITOR_FOLDER": str(folder)}
    with serving(home, folder.parent / "printed", settings) as server:
        yield server


def go(page: Page, language: str = "en") -> None:
    page.get_by_role("tab", name=TEXTS[language]["tabs_live"]).click()
    page.wait_for_selector("#live .plots")


@pytest.mark.slow
def test_it_says_what_all_workers_counted_and_who_was_right(
    browser: Browser, logged: Server, folder: Path, tag: str
) -> None:
    texts, reference = TEXTS["en"], store.load(tag).reference
    with watched(browser, logged.url) as page:
        go(page)
        expect(page.locator("#live")).to_contain_text(texts["live_few"].format(0, MIN_ROWS))
        expect(page.locator("#live")).to_contain_text(texts["live_no_labels"].format(24))
        expect(page.locator("#live")).to_contain_text("make monitor")
        expect(page.locator("#live svg .live")).to_have_count(bins_of(reference))

        rows = plausible_rows(1200, seed=11)
        rows[:, SHIFTED] = FEATURES[SHIFTED].high
        answers = []
        # A connection for each: both workers get some.
        for part in np.array_split(rows, 12):
            answer = httpx.post(f"{logged.url}/predict", json={"rows": as_rows(part)}, timeout=30)
            answers += answer.raise_for_status().json()
        assert httpx.get(f"{logged.url}/no-such-page").status_code == 404
        told = answers[:40]
        for i, each in enumerate(told):
            actual = each["label"] if i % 4 else next(name for name in CLASSES if name != each["label"])
            body = {"prediction_id": each["prediction_id"], "actual": actual}
            httpx.post(f"{logged.url}/feedback", json=body, timeout=30).raise_for_status()
        folder.mkdir()
        about = {"time": 1_790_000_000, "model": tag, "rows": 1234, "labelled": 56, "kinds": ["drift"]}
        (folder / "20260921T000000Z.json").write_text(json.dumps(about))

        # By itself, with no press of the button.
        expect(page.locator("#live .tiles dd").nth(2)).to_have_text("1,200")
        expect(page.locator("#live .tiles dd").first).to_have_text("53")
        expect(page.locator("#live .tiles dd").nth(1)).to_have_text("0")
        expect(page.locator("#live .notice")).to_contain_text(texts[f"name_{NAMES[SHIFTED]}"])
        marked = page.locator("#live tr:has(.mark) th").all_inner_texts()
        numbers = page.locator("#live table[aria-labelledby=psi] .number").all_inner_texts()
        below = page.locator("#live table[aria-labelledby=psi] th span").all_inner_texts()
        for j, name in enumerate(NAMES):
            bins = reference.features[name]
            expected = psi(bins.count(rows[:, j]), np.array(bins.ratios))
            limit = threshold(1200, bins, reference.rows)
            assert numbers[j] == f"{expected:.3f}"
            assert below[j] == texts["live_threshold"].format(f"{limit:.3f}")
            assert any(text.startswith(texts[f"name_{name}"]) for text in marked) == (expected > limit)
        expect(page.locator("#live .big").first).to_have_text("0.750")
        expect(page.locator("#live")).to_contain_text(texts["live_labels"].format(30, 40, 24))
        expect(page.locator("#live")).to_contain_text(f"{METRICS['accuracy']:.3f}")
        made = datetime.fromtimestamp(1_790_000_000, UTC)
        expect(page.locator("#live time")).to_have_text(f"{made:%Y-%m-%d %H:%M} UTC")
        expect(page.locator("#live .files")).to_have_text(str(folder / "20260921T000000Z-drift.html"))


@pytest.mark.slow
def test_it_works_behind_a_prefix_by_keyboard_and_looks_again_only_when_asked(
    browser: Browser, server: Server, client: httpx.Client
) -> None:
    texts = TEXTS["id"]
    with behind("/a/prefix", server.url) as url, watched(browser, url, "id-ID", width=390) as page:
        page.get_by_role("tab", name=texts["tabs_live"]).press("Enter")
        expect(page.locator("#live")).to_contain_text(texts["live_no_log"])
        page.get_by_role("checkbox", name=texts["live_auto"]).press("Space")
        rows = page.locator("#live .tiles dd").nth(2)
        before = int(re.sub(r"\D", "", rows.inner_text()))
        client.post("/predict", json={"rows": as_rows(plausible_rows(7))}).raise_for_status()
        page.get_by_role("button", name=texts["live_refresh"]).press("Enter")
        expect(rows).to_have_text(f"{before + 7:,}")


def test_a_report_that_is_not_whole_is_passed_over(tmp_path: Path) -> None:
    assert last_report(tmp_path / "none") is None
    whole = {"time": 5, "rows": 6, "labelled": 7, "kinds": ["drift", "quality"]}
    (tmp_path / "20260101T000000Z.json").write_text(json.dumps(whole))
    (tmp_path / "20260102T000000Z.json").write_text('{"time": 5')
    (tmp_path / "20260103T000000Z.json").write_text("[]")
    found = last_report(tmp_path)
    assert found is not None
    assert found[:3] == (5, 6, 7)
    assert [file.name for file in found.files] == ["20260101T000000Z-drift.html", "20260101T000000Z-quality.html"]


def bins_of(reference: Reference) -> int:
    return sum(len(bins.ratios) for bins in (*reference.features.values(), reference.probability))
