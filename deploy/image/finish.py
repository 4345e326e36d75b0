"""Makes the image that ships of the one that `bentoml containerize` made: python -m deploy.image.finish ENGINE IMAGE.

That one is named IMAGE-bento; it stays, so that the next build finds its layers.
"""

import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from os import environ
from pathlib import Path
from typing import Any

import bentoml

from serving.schema import MODEL_NAME

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def labels(bento: bentoml.Bento) -> dict[str, str]:
    """Return the labels of the image that was made of a Bento: what it is and which commit and model are inside."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    made = {
        "title": project["name"],
        "description": project["description"],
        "version": project["version"],
        "licenses": project["license"],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "revision": _revision(),
        # GitHub's registry shows the image beside the repository that this names.
        "source": "/".join(filter(None, map(environ.get, ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY")))),
    }
    tags = {"bento": str(bento.tag), "model": str(bento.info.all_models[0].tag)}
    found = {f"org.opencontainers.image.{name}": value for name, value in made.items()}
    found |= {f"com.bentoml.{name}": tag for name, tag in tags.items()}
    return {name: value for name, value in found.items() if value}


def _revision() -> str:
    """Return the commit, marked if files differ from it; empty outside of a repository."""
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def main(engine: str, image: str) -> None:
    bento = bentoml.get(f"{MODEL_NAME}:latest")
    info: Any = bento.info
    arguments = {"BASE_IMAGE": info.image.base_image, "BENTO_IMAGE": f"{image}-bento"}
    arguments |= {env.name: env.value for env in info.envs}
    command = [engine, "build", "--quiet", f"--tag={image}"]
    # Podman's own format has no health check, and with layers it keeps a nameless image of the first stage.
    command += ["--format=docker", "--layers=false"] if Path(engine).name == "podman" else []
    command += [f"--build-arg={name}={value}" for name, value in arguments.items()]
    command += [f"--label={name}={value}" for name, value in labels(bento).items()]
    made = subprocess.run([*command, HERE], capture_output=True, text=True, check=False)
    if made.returncode:
        sys.exit(f"error: {image} could not be built from what BentoML made: {made.stderr.strip()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
