"""Copies of the project, as somebody who clones it has them."""

import shutil
import subprocess
from pathlib import Path

from tests.servers import ROOT


def copy_of_work(to: Path) -> Path:
    """Copy what git holds or would hold, as a repository of its own."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    subprocess.run(["git", "init", "--quiet"], cwd=to, check=True)
    return to
