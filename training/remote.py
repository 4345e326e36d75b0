"""`make pull` and `make publish`: data and models from and to the DVC remote, where one is configured."""

import argparse
import subprocess
import sys
from pathlib import Path

from training.stage import TrainingError, run, say

ROOT = Path(__file__).resolve().parents[1]


def configured(root: Path) -> bool:
    """Tell whether `dvc pull` would know from where."""
    return bool(_dvc(root, "remote", "list").stdout.strip())


def pull(root: Path) -> None:
    """Get what the .dvc files and dvc.lock name. What was never pushed is left for the pipeline to make."""
    if not configured(root):
        say(
            "there is no DVC remote (`dvc remote add --default NAME URL`): nothing is pulled, the pipeline makes it all"
        )
        return
    _speak(root, "pull", "--allow-missing")


def publish(root: Path) -> None:
    """Put what the pipeline made where `pull` gets it; who commits dvc.lock names it for good."""
    if not configured(root):
        say("there is no DVC remote (`dvc remote add --default NAME URL`): nothing is published")
        return
    _speak(root, "push")


def _dvc(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)


def _speak(root: Path, what: str, *arguments: str) -> None:
    done = _dvc(root, what, *arguments)
    say(done.stdout.strip())
    if done.returncode:
        raise TrainingError(f"`dvc {what}` failed, the reason is above: look at `dvc remote list` and its credentials")


def main() -> None:
    parser = argparse.ArgumentParser("python -m training.remote", description="Data and models from or to the remote.")
    parser.add_argument("what", choices=["pull", "publish"])
    {"pull": pull, "publish": publish}[parser.parse_args().what](ROOT)


if __name__ == "__main__":
    run(main)
