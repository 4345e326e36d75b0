"""Pushes the latest Bento to a Hugging Face Space: python -m deploy.space push OWNER/NAME.

`check` instead of `push` says in one sentence what is missing, before anything is built.
"""

import re
import sys
from pathlib import Path

import bentoml
import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError

from deploy.space import folder
from serving.schema import MODEL_NAME

FOLDER = Path("var/space")
# The hub's own, in every repository.
_KEPT = {".gitattributes"}


class SpaceError(Exception):
    """The Space cannot be pushed. The message is one sentence."""


def check(space: str) -> None:
    """Raise SpaceError if there is no name of a Space, or no token."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", space):
        raise SpaceError("which Space is meant? Say so, as in: make space SPACE=owner/name")
    if not get_token():
        raise SpaceError(
            "there is no Hugging Face token: make one that may write at https://huggingface.co/settings/tokens, then"
            " set HF_TOKEN or run `hf auth login`"
        )


def push(api: HfApi, space: str, source: Path) -> str:
    """Make the Space hold what is in a folder, by one commit or by none, as each makes the hub build it again.

    Returns:
        The Space's address.

    Raises:
        SpaceError: the hub refused, or cannot be reached.
    """
    try:
        url = api.create_repo(space, repo_type="space", space_sdk="docker", exist_ok=True)
        wanted = {path.relative_to(source).as_posix(): path for path in source.rglob("*") if path.is_file()}
        gone = set(api.list_repo_files(space, repo_type="space")) - set(wanted) - _KEPT
        operations = [CommitOperationAdd(name, path) for name, path in sorted(wanted.items())]
        removed = [CommitOperationDelete(name) for name in sorted(gone)]
        # It leaves out what the hub already has.
        api.create_commit(space, [*operations, *removed], commit_message="Serve what main has now", repo_type="space")
    except HfHubHTTPError as error:
        raise SpaceError(_refusal(space, error)) from error
    except httpx2.TransportError as error:
        raise SpaceError(f"{api.endpoint} cannot be reached: {error}") from error
    return str(url)


def _refusal(space: str, error: HfHubHTTPError) -> str:
    said = f": {error.server_message}" if error.server_message else ""
    if error.response.status_code in (401, 403):
        return f"Hugging Face refused the token for {space}{said}; it needs one that may write there"
    return f"Hugging Face answered {error.response.status_code} for {space}{said}"


def main(task: str, space: str) -> None:
    try:
        check(space)
        if task == "push":
            folder.make(bentoml.get(f"{MODEL_NAME}:latest"), FOLDER)
            print(f"{push(HfApi(), space, FOLDER)} has what is in {FOLDER}.")
    except SpaceError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(*sys.argv[1:])
