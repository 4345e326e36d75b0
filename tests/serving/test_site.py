"""The pages beside the API."""

import re

import httpx
import pytest

pytestmark = pytest.mark.slow


def test_the_root_page_leads_to_everything_there_is(client: httpx.Client) -> None:
    links = re.findall(r'href="\./([^"]*)"', client.get("/").text)
    assert {"ui/", "README.md", "metrics", "docs.json", "readyz"} <= set(links)
    for link in links:
        assert client.get(f"/{link}").status_code == 200, link


@pytest.mark.parametrize(("path", "language"), [("/README.md", "en"), ("/README.id.md", "id")])
def test_the_readme_is_a_page_whose_links_and_pictures_are_there(
    path: str, language: str, client: httpx.Client
) -> None:
    page = client.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert f'<html lang="{language}">' in page.text
    assert "<h1>" in page.text
    assert "<table>" in page.text
    assert not re.search(r'src="(?:https?:)?//', page.text), "the page must not call another host"
    own = [link for link in re.findall(r'(?:href|src)="([^"]+)"', page.text) if not link.startswith("http")]
    assert any(link.endswith(".png") for link in own)
    for link in own:
        assert client.get(f"/{link.removeprefix('./')}").status_code == 200, link


@pytest.mark.parametrize("path", ["/docs/nothing.png", "/docs/%2e%2e/README.png", "/docs/a/b.png", "/README.de.md"])
def test_no_other_file_is_served(path: str, client: httpx.Client) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "detail"}
