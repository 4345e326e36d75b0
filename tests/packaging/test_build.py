"""`bentoml build`, and the exported Bento far from this folder."""

import re
from pathlib import Path

import httpx
import pytest
import yaml

from serving.schema import MODEL_NAME, Row
from tests.packaging.bentos import bentoml
from tests.servers import ROOT, serving

pytestmark = pytest.mark.slow

ROW = Row.model_json_schema()["examples"][0]


def test_carries_only_what_serves(bento: Path) -> None:
    files = {path.relative_to(bento / "src").as_posix() for path in (bento / "src").rglob("*") if path.is_file()}
    shown = [*ROOT.glob("README*.md"), *ROOT.glob("docs/*.png")]
    source = [path for path in (ROOT / "serving").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    expected = {path.relative_to(ROOT).as_posix() for path in [*source, *shown]}
    assert files == expected | {"service.py", "bentofile.yaml"}


def test_requirements_are_the_lock_of_the_serving_set(bento: Path) -> None:
    lock = locked(ROOT / "requirements" / "serve.txt")
    *carried, of_bentoml = locked(bento / "env" / "python" / "requirements.txt")
    assert carried == lock
    # BentoML adds itself once more, without hashes; the line before with the same version and hashes still counts.
    assert (of_bentoml[0], set()) == of_bentoml
    assert of_bentoml[0] in dict(lock)


def locked(file: Path) -> list[tuple[str, set[str]]]:
    """Return (name==version, hashes) of every requirement."""
    lines = file.read_text().replace("\\\n", "").split("\n")
    return [(re.split(r"[ ;]", line)[0], set(re.findall(r"--hash=(\S+)", line))) for line in lines if line]


def test_without_the_page_gradio_is_left_out(home: Path) -> None:
    tag = bentoml(home, "build", "--output", "tag", UI="off").strip().removeprefix("__tag__:")
    built = home / "bentos" / tag.replace(":", "/")
    *carried, _ = locked(built / "env" / "python" / "requirements.txt")
    assert carried == locked(ROOT / "requirements" / "api.txt")
    assert not {"gradio", "pandas"} & {name.partition("==")[0] for name, _ in carried}
    assert yaml.safe_load((built / "bento.yaml").read_text())["envs"] == [
        {"name": "UI", "value": "off", "stage": "all"}
    ]


def test_image_is_slim(bento: Path) -> None:
    dockerfile = (bento / "env" / "docker" / "Dockerfile").read_text()
    assert "FROM python:3.11-slim" in dockerfile
    assert "build-essential" not in dockerfile


def test_exported_bento_serves_elsewhere(bento: Path, home: Path, model: str, tmp_path: Path) -> None:
    file = tmp_path / "exported.bento"
    bentoml(home, "export", f"{bento.parent.name}:{bento.name}", file)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    empty_store = tmp_path / "home"
    bentoml(empty_store, "import", file)
    tag = f"{MODEL_NAME}:latest"
    with serving(empty_store, tmp_path / "log", target=tag, folder=elsewhere) as server:
        [prediction] = httpx.post(f"{server.url}/predict", json={"rows": [ROW]}).raise_for_status().json()
        page = httpx.get(f"{server.url}/ui/", timeout=120).text
        assert "gradio_config = " in page
        assert httpx.get(f"{server.url}/README.md").is_success
    assert prediction["model"] == model
