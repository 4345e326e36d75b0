"""BentoML's command line on a store of its own."""

import subprocess
import sys
from pathlib import Path

from tests.processes import fresh_terminal
from tests.servers import ROOT


def bentoml(home: Path, *arguments: str | Path, **environment: str) -> str:
    """Run a command of BentoML in the root, with a BENTOML_HOME. Returns what it prints."""
    ran = subprocess.run(
        [sys.executable, "-m", "bentoml", *arguments],
        cwd=ROOT,
        env=fresh_terminal(BENTOML_HOME=str(home), **environment),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
