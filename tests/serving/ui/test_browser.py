"""The page as a person meets it, in headless Chromium, with two workers behind it."""

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from serving.schema import CLASSES, FEATURES, NAMES, Flag
from serving.ui.examples import EXAMPLES
from serving.ui.texts import TEXTS
from tests.models import METRICS, as_rows, plausible_rows
from tests.serving.ui.conftest import PATIENCE_MS, Opened

pytestmark = pytest.mark.slow
expect.set_options(timeout=PATIENCE_MS)
NUMBERS = [feature for feature in FEATURES if not isinstance(feature, Flag)]
LANGUAGES = pytest.mark.parametrize(
    ("browser_language", "language"), [("en-US", "en"), ("id-ID", "id"), ("fr-FR", "en")]
)


def ask(client: httpx.Client, row: dict[str, float]) -> dict[str, object]:
    answer: dict[str, object] = client.post("/predict_one", json=row).raise_for_status().json()
    return answer


def tab(page: Page, key: str, language: str = "en") -> None:
    page.get_by_role("tab", name=TEXTS[language][f"tabs_{key}"]).click()


def shown(prediction: dict[str, object]) -> re.Pattern[str]:
    """Match the probability of a prediction as the page words it, at least its whole per cents."""
    return re.compile(rf"{float(str(prediction['probability'])) * 100:.1f}|> 99.9")


@LANGUAGES
def test_a_row_is_predicted_and_explained(
    browser_language: str, language: str, opened: Opened, client: httpx.Client
) -> None:
    page, words = opened(browser_language), TEXTS[language]
    assert page.locator("html").get_attribute("lang") == language
    for key, row in EXAMPLES.items():
        page.get_by_role("button", name=words[f"example_{key}"]).click()
        prediction = ask(client, row)
        expect(page.locator(".call .label")).to_have_text(str(prediction["label"]))
        expect(page.locator(".certainty b")).to_have_text(shown(prediction))
        expect(page.locator(".verdict .notice")).to_have_count(1 if prediction["outlier"] else 0)
        explanation = client.post("/explain", json=row).json()
        expect(page.locator(".bars tfoot .number")).to_have_text(
            f"{explanation['log_odds']:+.2f}".replace("-", "\u2212")
        )
        numbers = page.locator(".bars tbody .number").all_inner_texts()
        parts = [*explanation["contributions"].values(), explanation["prior"]]
        assert numbers == [f"{part:+.2f}".replace("-", "\u2212") for part in parts]
    for feature in FEATURES:
        expect(page.get_by_text(words[f"name_{feature.name}"]).first).to_be_visible()


def test_a_moved_value_changes_the_label(opened: Opened, client: httpx.Client) -> None:
    page = opened()
    page.get_by_role("button", name=TEXTS["en"]["example_between"]).click()
    row = dict(EXAMPLES["between"])
    labels = set()
    for end in ("low", "high"):
        for feature in NUMBERS:
            row[feature.name] = getattr(feature, end)
            page.get_by_role("slider", name=TEXTS["en"][f"label_{feature.name}"]).press(
                "Home" if end == "low" else "End"
            )
        prediction = ask(client, row)
        labels.add(prediction["label"])
        expect(page.locator(".call .label")).to_have_text(str(prediction["label"]))
    assert labels == set(CLASSES)


def test_on_a_phone_the_answer_stays_in_sight_while_a_value_is_moved(opened: Opened) -> None:
    page = opened(width=390)
    page.get_by_role("checkbox").last.evaluate("element => element.scrollIntoView({ block: 'end' })")
    page.mouse.wheel(0, 150)
    page.wait_for_function("window.scrollY > 100")
    expect(page.locator(".call .label")).to_be_in_viewport()


def test_the_form_and_the_tabs_work_by_keyboard(opened: Opened, client: httpx.Client) -> None:
    page = opened()
    row = dict(EXAMPLES[CLASSES[-1]])
    flag = [feature for feature in FEATURES if isinstance(feature, Flag)][-1]
    page.get_by_role("button", name=TEXTS["en"][f"example_{CLASSES[-1]}"]).press("Enter")
    page.get_by_role("checkbox", name=TEXTS["en"][f"label_{flag.name}"]).press("Space")
    row[flag.name] = 1 - row[flag.name]
    expect(page.locator(".certainty b")).to_have_text(shown(ask(client, row)))
    page.get_by_role("tab", name=TEXTS["en"]["tabs_rows"]).press("Enter")
    page.keyboard.press("Tab")
    for _ in range(3):
        if page.evaluate("document.activeElement.type") == "file":
            break
        page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "file"


def test_a_file_goes_in_and_predictions_and_reasons_come_out(
    opened: Opened, client: httpx.Client, people: Path
) -> None:
    rows = as_rows(plausible_rows(60, seed=5))
    lines = [",".join([*map(str, row.values()), "ignored"]) for row in rows]
    lines.insert(10, ",".join(["nonsense"] * (len(NAMES) + 1)))
    lines.append("1,2")
    people.write_text("\n".join([",".join([*NAMES, "note"]), *lines]) + "\n")
    page, words = opened("id-ID"), TEXTS["id"]
    tab(page, "rows", "id")
    page.set_input_files("#rows-file", people)
    expect(page.locator(".running .status")).to_have_text(f"{words['rows_done']}: 62 dari 62 baris")
    expect(page.locator(".tiles dd").first).to_have_text("60")
    rejected = page.locator(".rejected tbody tr")
    expect(rejected).to_have_count(2)
    assert rejected.first.locator("td").first.inner_text() == "12"
    assert "nonsense" in rejected.first.inner_text()
    assert rejected.last.locator("td").first.inner_text() == "63"
    expect(page.locator(".histogram .bin")).to_have_count(10)
    assert sum(int(count) for count in page.locator(".bin .count").all_inner_texts()) == 60
    with page.expect_download() as download:
        page.get_by_role("link", name=words["rows_download"], exact=True).click()
    assert download.value.suggested_filename == "people-predictions.csv"
    with Path(download.value.path()).open() as file:
        answered = list(csv.DictReader(file))
    expected = client.post("/predict", json={"rows": rows}).raise_for_status().json()
    assert [int(each["line"]) for each in answered] == [*range(2, 12), *range(13, 63)]
    for each, row, prediction in zip(answered, rows, expected, strict=True):
        assert {name: float(each[name]) for name in NAMES} == row
        assert (each["label"], float(each["probability"])) == (prediction["label"], prediction["probability"])
        assert {name: float(each[name]) for name in CLASSES} == prediction["probabilities"]
        assert json.loads(each["outlier"]) == prediction["outlier"]
        assert each["model"] == prediction["model"]
    assert len({each["prediction_id"] for each in answered}) == 60
    page.get_by_role("button", name=words["rows_next"]).click()
    expect(page.locator(".pager .hint")).to_have_text("21 sampai 40 dari 60")
    with page.expect_download() as download:
        page.get_by_role("link", name=words["rows_download_rejected"]).click()
    assert Path(download.value.path()).read_text().splitlines()[0] == "line,reason"


def test_a_large_file_shows_progress_and_is_answered_whole(opened: Opened, people: Path) -> None:
    n = 100_000
    lines = [",".join(map(str, row)) for row in plausible_rows(n, seed=6).tolist()]
    people.write_text("\n".join([",".join(NAMES), *lines]))
    page = opened()
    tab(page, "rows")
    page.wait_for_selector("#rows-file", state="attached")
    page.evaluate("""() => {
        window.seen = new Set();
        new MutationObserver(() => window.seen.add(document.querySelector("progress").value))
            .observe(document.querySelector("progress"), { attributes: true });
    }""")
    page.set_input_files("#rows-file", people)
    expect(page.locator(".tiles dd").first).to_have_text(f"{n:,}")
    seen = page.evaluate("[...window.seen]")
    assert len(seen) > 5
    assert seen == sorted(seen)
    assert seen[-1] == n
    with page.expect_download() as download:
        page.get_by_role("link", name=TEXTS["en"]["rows_download"], exact=True).click()
    with Path(download.value.path()).open() as file:
        assert sum(1 for _ in file) == n + 1


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "has no line below the header"), (",".join(NAMES), "has no line below the header")],
)
def test_a_file_that_cannot_be_used_is_said_in_a_sentence(
    content: str, said: str, opened: Opened, people: Path
) -> None:
    people.write_text(content)
    page = opened()
    tab(page, "rows")
    page.set_input_files("#rows-file", people)
    expect(page.locator("many-rows [role=alert]")).to_contain_text(said)
    expect(page.locator(".result")).to_be_empty()


def test_the_model_tab_says_which_model_serves_and_how_good_it_is(opened: Opened, tag: str) -> None:
    page = opened()
    tab(page, "model")
    expect(page.locator("#about .tag")).to_have_text(tag)
    expect(page.locator("#about")).to_contain_text("made_for")
    expect(page.locator(".tiles")).to_contain_text(f"{METRICS['accuracy']:.3f}")
    expect(page.locator(".data")).to_contain_text("another model")
    expect(page.locator(".plots svg")).to_have_count(len(NUMBERS))
    expect(page.locator(".plots.flags figure")).to_have_count(len(FEATURES) - len(NUMBERS))
    page.get_by_role("button", name=TEXTS["en"]["model_card"]).click()
    expect(page.locator("#card")).to_contain_text("A model for tests")


def test_the_language_can_be_switched_and_is_kept(opened: Opened) -> None:
    page = opened("en-US")
    page.get_by_label(TEXTS["en"]["language"]).select_option("id")
    expect(page.get_by_role("tab", name=TEXTS["id"]["tabs_rows"])).to_be_visible()
    expect(page.locator(".verdict .eyebrow")).to_have_text(TEXTS["id"]["prediction"])
    page.reload()
    expect(page.get_by_role("tab", name=TEXTS["id"]["tabs_rows"])).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_follow_the_system_and_can_be_switched(scheme: str, opened: Opened) -> None:
    page = opened(scheme=scheme)
    background: Callable[[], str] = lambda: page.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    before = background()
    other = re.compile("dark") if scheme == "light" else re.compile("^((?!dark).)*$")
    page.get_by_role("button", name=TEXTS["en"]["theme"]).click()
    expect(page.locator("body")).to_have_class(other)
    assert background() != before
    page.reload()
    page.wait_for_selector(".call")
    expect(page.locator("body")).to_have_class(other)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_nothing_is_wider_than_the_screen(
    scheme: str, width: int, opened: Opened, axe: str, people: Path
) -> None:
    people.write_text("\n".join([",".join(NAMES), *["1,12,6,1,1,1"] * 30, "1"]))
    page = opened(scheme=scheme, width=width)
    page.get_by_role("button", name=TEXTS["en"]["example_unusual"]).click()
    page.wait_for_selector(".verdict .notice")

    def check(where: str) -> None:
        page.evaluate(axe)
        found = page.evaluate("axe.run().then((result) => result.violations)")
        serious = [
            (each["id"], [node["html"][:200] for node in each["nodes"]])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert serious == [], where
        assert page.evaluate("document.documentElement.scrollWidth") <= width, where

    check("predict")
    tab(page, "rows")
    page.set_input_files("#rows-file", people)
    page.wait_for_selector(".histogram")
    check("rows")
    tab(page, "model")
    page.wait_for_selector(".plots")
    page.get_by_role("button", name=TEXTS["en"]["model_card"]).click()
    page.wait_for_selector("#card h2")
    check("model")
    tab(page, "live")
    page.wait_for_selector("#live .plots")
    check("live")
