"""Pushes an image to a registry: python deploy/push.py ENGINE IMAGE TO [ARCHIVE].

Needs nothing but Python's standard library, so that no dependency's code runs where a token is. With REGISTRY_TOKEN
(and REGISTRY_USER) it logs in first. It says, and tells the steps of a GitHub workflow, by which name and digest the
image is there: what is signed is the digest.
"""

import os
import re
import subprocess
import sys
from pathlib import Path


def _run(*command: str, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        sys.exit(f"error: `{' '.join(command[:2])}` failed: {said}")
    return done.stdout


def push(engine: str, image: str, to: str, archive: str = "") -> tuple[str, str]:
    """Push the image.

    Args:
        to: registry/owner/name:tag. Registries want lower-case names, which GitHub's owners need not have.
        archive: file that `save` wrote, which holds the image.

    Returns:
        the name without tag, and the digest, sha256:...

    Raises:
        SystemExit: with one sentence.
    """
    found = re.fullmatch(r"([^/]+/.+):([\w][\w.-]{0,127})", to)
    if not found:
        sys.exit(f"error: TO={to} does not say where to: it has to be registry/owner/name:tag")
    name, tag = found[1].lower(), found[2]
    if archive:
        _run(engine, "load", "--input", archive)
    if token := os.environ.get("REGISTRY_TOKEN"):
        user = os.environ.get("REGISTRY_USER", "")
        _run(engine, "login", name.split("/")[0], "--username", user, "--password-stdin", given=token)
    _run(engine, "tag", image, f"{name}:{tag}")
    return name, _digest(engine, f"{name}:{tag}")


def _digest(engine: str, target: str) -> str:
    if Path(engine).name == "podman":
        return _run(engine, "push", "--digestfile", "/dev/stdout", target).strip()
    digests: list[str] = re.findall(r"digest: (sha256:[0-9a-f]{64})", _run(engine, "push", target))
    return digests[-1]


def main(*arguments: str) -> None:
    name, digest = push(*arguments)
    if outputs := os.environ.get("GITHUB_OUTPUT"):
        with Path(outputs).open("a", encoding="utf-8") as file:
            file.write(f"name={name}\ndigest={digest}\n")
    print(f"pushed {name}@{digest}")


if __name__ == "__main__":
    main(*sys.argv[1:])
