"""One run of the DVC pipeline for `make train`, which never changes a tracked file."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from training import overrides, settings
from training.data import read_csv
from training.stage import TrainingError, say

# For a stage to end its MLflow run before it is killed.
_PATIENCE_SECONDS = 10


def train(root: Path, data: Path | None = None) -> None:
    """Run all stages that are out of date, on the source params.yaml names or on a CSV file.

    params.yaml and dvc.lock are put back afterwards. Whoever versions models runs `dvc repro`, which writes dvc.lock.

    Raises:
        TrainingError: the file is not valid, nothing was changed then; or a stage failed, and has said why.
    """
    params, lock = root / settings.PATH, root / "dvc.lock"
    with ExitStack() as stack:
        stack.enter_context(overrides.stoppable())
        stack.enter_context(overrides.only_one(root))
        _work_without_git(root)
        overrides.recover(root)
        if data is not None:
            # Here too, before anything is touched: it is cheap, and nothing of DVC surrounds the message.
            read_csv(data, settings.load(params).train.folds)
            changed = overrides.with_source(params.read_bytes(), "csv", data)
            stack.enter_context(overrides.remembered(root, params, changed, [lock]))
            stack.enter_context(overrides.restored(params, changed))
        stack.enter_context(overrides.restored(lock))
        if _dvc_repro(root):
            raise TrainingError("training stopped, the reason is above; no tracked file was changed")


def _work_without_git(root: Path) -> None:
    """Let DVC run in a copy without git, such as an unpacked archive, by a setting that git would ignore."""
    local = root / ".dvc" / "config.local"
    if not local.exists() and not any((folder / ".git").exists() for folder in (root, *root.parents)):
        local.write_text("[core]\n    no_scm = true\n")


def _dvc_repro(root: Path) -> int:
    """Run `dvc repro` and return its exit code.

    Its standard output is silenced: hints about a dvc.lock that is not kept. Stages and errors speak on standard error.
    It gets a session of its own, so that a signal ends the stage that runs as well as DVC, and ends both only once.
    """
    command = [sys.executable, "-m", "dvc", "repro"]
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait()
    except BaseException:
        say("stopping")
        _end(process)
        raise


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop DVC and the stage it runs, and wait for both: what they write must not come after what is put back."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            process.poll()
            os.killpg(process.pid, 0)  # raises once nothing of the group is left
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
