"""The Space's folder: pushed to a stand-in of the hub, built as the hub would, and asked on its port."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
import yaml

from deploy.smoke import Container, ask_http, wait
from tests.packaging import hub as hubs
from tests.packaging.bentos import bentoml
from tests.packaging.hub import SPACE, TOKEN, Hub
from tests.processes import fresh_terminal
from tests.servers import ROOT

pytestmark = pytest.mark.slow


class Pushed(NamedTuple):
    hub: Hub
    folder: Path
    said: str


def space(task: str, folder: Path, home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run deploy.space in a folder of its own, for what it makes."""
    # Xet, by which the real hub takes large files, has no stand-in; the hub's older way does.
    own = {"BENTOML_HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HOME": str(folder), "HF_HUB_DISABLE_XET": "1"}
    variables = fresh_terminal(**own, HF_ENDPOINT="http://127.0.0.1:9") | {"HF_TOKEN": ""} | environment
    name = variables.pop("SPACE", SPACE)
    command = [sys.executable, "-m", "deploy.space", task, name]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def pushed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    """A Space that was pushed to for the first time, over a file that is not the folder's."""
    folder = tmp_path_factory.mktemp("space")
    bentoml(home, "build")
    with hubs.running() as hub:
        hub.files = {".gitattributes": b"*.png filter=lfs\n", "old.txt": b"of before"}
        ran = space("push", folder, home, HF_ENDPOINT=hub.url, HF_TOKEN=TOKEN)
        assert ran.returncode == 0, ran.stderr
        yield Pushed(hub, folder / "var" / "space", ran.stdout)


def test_the_space_is_made_and_gets_the_folder_in_one_commit(pushed: Pushed, model: str) -> None:
    hub, folder, said = pushed
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert hub.files == {".gitattributes": b"*.png filter=lfs\n", **files}
    assert {"README.md", "Dockerfile", "bento/bento.yaml", "bento/src/service.py"} <= set(files)
    assert f"bento/models/{model.replace(':', '/')}/parameters.npz" in files
    assert said == f"{hub.url}/spaces/{SPACE} has what is in var/space.\n"
    api = f"/api/spaces/{SPACE}"
    calls = [call for call in hub.asked if not call.startswith("PUT")]
    assert calls[:4] == [
        "POST /api/repos/create",
        f"GET {api}/tree/main",
        "POST /api/validate-yaml",
        f"POST {api}/preupload/main",
    ]
    assert calls[-2:] == [f"POST /spaces/{SPACE}.git/info/lfs/objects/batch", f"POST {api}/commit/main"]
    assert hub.commits == 1


def test_the_card_says_what_the_hub_needs_and_a_reader(pushed: Pushed) -> None:
    _, front, text = (pushed.folder / "README.md").read_text().split("---\n", 2)
    about = yaml.safe_load(front)
    assert about["sdk"] == "docker"
    assert (about["app_port"], about["base_path"], about["license"]) == (7860, "/ui/", "mit")
    assert about["title"]
    assert len(about["emoji"]) == 1
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {about["colorFrom"], about["colorTo"]} <= colours
    assert 0 < len(about["short_description"]) <= 60
    assert "synthetic" in text
    assert "Do not use it to decide anything about a person" in text


def test_a_second_push_of_the_same_is_no_commit(pushed: Pushed, home: Path, tmp_path: Path) -> None:
    before = (pushed.hub.commits, dict(pushed.hub.files))
    bentoml(home, "build")
    ran = space("push", tmp_path, home, HF_ENDPOINT=pushed.hub.url, HF_TOKEN=TOKEN)
    assert ran.returncode == 0, ran.stderr
    assert (pushed.hub.commits, pushed.hub.files) == before == (1, before[1])


def test_a_refused_token_is_a_sentence(pushed: Pushed, home: Path, tmp_path: Path) -> None:
    ran = space("push", tmp_path, home, HF_ENDPOINT=pushed.hub.url, HF_TOKEN=f"{TOKEN}-revoked")
    assert ran.returncode == 1
    assert ran.stderr == (
        f"error: Hugging Face refused the token for {SPACE}: Invalid username or password.; it needs one that may write"
        " there\n"
    )


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"SPACE": ""}, "error: which Space is meant? Say so, as in: make space SPACE=owner/name\n"),
        ({"SPACE": "no-owner", "HF_TOKEN": TOKEN}, "error: which Space is meant? "),
        ({}, "error: there is no Hugging Face token: make one that may write at https://huggingface.co/settings/token"),
    ],
)
def test_what_is_missing_is_told_in_one_sentence(environment: dict[str, str], sentence: str, tmp_path: Path) -> None:
    ran = space("check", tmp_path, tmp_path, **environment)
    assert ran.returncode == 1
    assert ran.stderr.startswith(sentence)
    assert ran.stderr.count("\n") == 1


def test_an_unreachable_hub_is_a_sentence(home: Path, pushed: Pushed, tmp_path: Path) -> None:
    ran = space("push", tmp_path, home, HF_TOKEN=TOKEN)
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: http://127.0.0.1:9 cannot be reached: ")
    assert ran.stderr.count("\n") == 1


def test_its_image_serves_page_and_api_on_the_hub_s_port(pushed: Pushed, engine: str, model: str) -> None:
    image = f"space:test-{pushed.hub.url.rpartition(':')[2]}"
    build = [engine, "build", "--network=host", f"--tag={image}", str(pushed.folder)]
    made = subprocess.run(build, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    try:
        container = Container(engine, image, "--publish=127.0.0.1::7860")
        try:
            with httpx.Client(base_url=f"http://{container.address(7860)}", timeout=10) as client:
                wait(container, client)
                assert ask_http(client)
                assert client.get("/v2/models/gender_classifier").json()["versions"] == [model.partition(":")[2]]
            assert container.exec("id", "-u").stdout.strip() == "1000"
            assert container.stop() < 5
            assert container.state()["ExitCode"] == 0
        finally:
            container.remove()
    finally:
        subprocess.run([engine, "rmi", "--force", image], capture_output=True, check=False)
