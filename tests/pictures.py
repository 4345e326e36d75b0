"""The README's pictures: the page of a running server, with the model that the store has now. Needs Chromium."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import bentoml
import httpx
from playwright.sync_api import Browser, sync_playwright

from serving.schema import CLASSES, FEATURES, NAMES, TARGET, Number
from serving.store import LATEST
from serving.ui.texts import TEXTS
from tests.models import plausible_rows
from tests.servers import ROOT, serving
from training.builtin import synthesize

FOLDER = ROOT / "docs"
# By tab: colours, the second dark to show that there is a dark, and height.
TABS: dict[str, tuple[Literal["light", "dark"], int]] = {
    # First, before the others' rows count.
    "live": ("light", 1880),
    "predict": ("light", 1096),
    "rows": ("dark", 1060),
    "model": ("light", 1480),
}


def main() -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("error: chromium is not installed: apt install chromium")
    home = Path(bentoml.models.get(LATEST).path).parents[2]
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        people = Path(folder) / "people.csv"
        lines = [",".join(map(str, row)) for row in plausible_rows(400).tolist()]
        # One line that is refused: its last value is missing.
        lines.insert(200, lines[200].rpartition(",")[0] + ",")
        people.write_text("\n".join([",".join(NAMES), *lines]))
        settings = {"WORKERS": "2", "PREDICTION_LOG_URL": f"sqlite:///{folder}/log.db"}
        with serving(home, Path(folder) / "log", settings) as server:
            send(server.url)
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            for tab in TABS:
                for language in TEXTS:
                    take(browser, server.url, language, tab, people)
            browser.close()


def send(url: str) -> None:
    """Predict rows like those of training but for one measure, and say what some of them really were."""
    table = synthesize(900, seed=11)
    rows, moved = table[list(NAMES)], next(f for f in FEATURES if isinstance(f, Number))
    spread = float(rows[moved.name].std())
    rows = rows.assign(**{moved.name: (rows[moved.name] + spread / 2).clip(moved.low, moved.high).round(1)})
    answered = httpx.post(f"{url}/predict", json={"rows": rows.to_dict("records")}).raise_for_status().json()
    for answer, actual in zip(answered[:200], table[TARGET], strict=False):
        told = {"prediction_id": answer["prediction_id"], "actual": actual}
        httpx.post(f"{url}/feedback", json=told, timeout=30).raise_for_status()


def take(browser: Browser, url: str, language: str, tab: str, people: Path) -> None:
    """Take the picture of a tab; the English one has no language in its name."""
    scheme, height = TABS[tab]
    context = browser.new_context(
        viewport={"width": 1120, "height": height}, locale=language, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(f"{url}/ui/")
    page.wait_for_selector(".call", timeout=120_000)
    page.get_by_role("tab", name=TEXTS[language][f"tabs_{tab}"]).click()
    if tab == "predict":
        page.get_by_role("button", name=TEXTS[language][f"example_{CLASSES[0]}"]).click()
        page.wait_for_selector(".truth")
    if tab == "live":
        page.wait_for_selector("#live .plots")
    if tab == "rows":
        page.set_input_files("#rows-file", people)
        page.wait_for_selector(".histogram")
    if tab == "model":
        page.wait_for_selector(".plots")
    suffix = "" if language == "en" else f".{language}"
    page.screenshot(path=FOLDER / f"ui-{tab}{suffix}.png")
    context.close()


if __name__ == "__main__":
    main()
