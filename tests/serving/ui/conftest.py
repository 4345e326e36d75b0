"""A browser: Debian's Chromium, driven by Playwright, which notes every error and every host that a page asks."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.servers import Server
from tests.tools import missing, require_tool

# Long, because the first visit builds the page in each worker and the machine may be busy.
PATIENCE_MS = 90_000
AXE = "axe-core@4.14.1"


# No longer than a module: while Playwright runs, its event loop counts as running and no test can have another.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = require_tool("chromium", "apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def watched(
    browser: Browser, url: str, language: str = "en-US", width: int = 1280, scheme: str = "light", password: str = ""
) -> Iterator[Page]:
    """Open the page; at the end nothing must have gone wrong in it, nor must it have asked another host.

    Args:
        url: of the server or of a proxy before it.
        password: for HTTP Basic; none if it is empty.
    """
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        locale=language,
        color_scheme="dark" if scheme == "dark" else "light",
        http_credentials={"username": "any", "password": password} if password else None,
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    wrong: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("response", lambda answer: wrong.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
    try:
        page.goto(f"{url}/ui/")
        page.wait_for_selector(".call")
        yield page
        assert wrong == []
        # The empty one is that of data: and blob: addresses.
        assert hosts - {""} == {urlsplit(url).netloc}
    finally:
        context.close()


Opened = Callable[..., Page]


@pytest.fixture
def opened(browser: Browser, server: Server) -> Iterator[Opened]:
    """Open the page of the server with two workers: takes what `watched` takes after the address."""
    with ExitStack() as pages:
        yield lambda *how, **ever: pages.enter_context(watched(browser, server.url, *how, **ever))


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Where a test may write a CSV file."""
    return tmp_path / "people.csv"


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, which finds what keeps people from using a page."""
    npm = require_tool("npm", "apt install npm")
    folder = tmp_path_factory.mktemp("axe")
    install = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), AXE]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        missing(f"npm cannot install {AXE}: {done.stderr.strip()[-300:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
