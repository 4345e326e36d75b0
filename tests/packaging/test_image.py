"""`make image` with the engine that is there, with the page and without, and the containers it makes."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.servers import ROOT

pytestmark = pytest.mark.slow

MB = 10**6
SPOIL = """FROM {image}
USER 0
RUN printf x | dd of=models/{model}/parameters.npz bs=1 seek=100 conv=notrunc
USER 1034:1034
"""


def inspect(engine: str, image: str) -> dict[str, object]:
    out = subprocess.run([engine, "image", "inspect", image], capture_output=True, text=True, check=True).stdout
    [found] = json.loads(out)
    described: dict[str, object] = found
    return described


@pytest.fixture(params=[("image", 700), ("image_without_ui", 450)], ids=["page", "without"])
def either(request: pytest.FixtureRequest) -> tuple[str, int]:
    """The name of an image, and how many MB it may have."""
    fixture, limit = request.param
    return request.getfixturevalue(fixture), limit


def test_image_is_small(engine: str, either: tuple[str, int]) -> None:
    image, limit = either
    size = inspect(engine, image)["Size"]
    assert isinstance(size, int)
    assert size <= limit * MB


def test_a_confined_container_does_what_a_deployment_relies_on(engine: str, either: tuple[str, int]) -> None:
    # `make smoke` itself: it checks more than there are assertions here.
    smoke = [sys.executable, "-m", "deploy.smoke", engine, either[0]]
    ran = subprocess.run(smoke, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_labels_say_what_is_inside(engine: str, image: str, model: str) -> None:
    config = inspect(engine, image)["Config"]
    assert isinstance(config, dict)
    labels = config["Labels"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert labels["org.opencontainers.image.revision"].removesuffix("-dirty") == head.strip()
    assert labels["org.opencontainers.image.licenses"] == "MIT"
    assert labels["org.opencontainers.image.title"] == "gender-classifier"
    assert labels["org.opencontainers.image.version"]
    assert labels["com.bentoml.model"] == model
    assert set(config["ExposedPorts"]) == {"3000/tcp", "3001/tcp"}


@pytest.fixture
def spoiled(engine: str, image_without_ui: str, model: str) -> Iterator[str]:
    """The name of an image in whose model one byte was changed."""
    name = f"{image_without_ui}-spoiled"
    file = SPOIL.format(image=image_without_ui, model=model.replace(":", "/"))
    build = [engine, "build", f"--tag={name}", "-"]
    subprocess.run(build, input=file, capture_output=True, text=True, check=True)
    yield name
    subprocess.run([engine, "rmi", "--force", name], capture_output=True, check=True)


def test_a_changed_model_keeps_it_from_starting(engine: str, spoiled: str, model: str) -> None:
    run = [engine, "run", "--rm", "--read-only", "--cap-drop=ALL", spoiled]
    ran = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    [sentence] = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert sentence == (
        f"error: model {model} was changed after it was saved: the sha256 of parameters.npz is not the manifest's"
    )
    assert "Traceback" not in ran.stdout + ran.stderr


def test_the_image_without_gradio_serves_no_page(engine: str, image_without_ui: str) -> None:
    run = [engine, "run", "--rm", "--env=UI=on", image_without_ui]
    ran = subprocess.run(run, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 1
    assert "error: UI is on and Gradio is not installed: set UI=off, " in ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
