"""What is changed for the time of a run is put back, however the run ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from training import overrides, pipeline, settings
from training.__main__ import main
from training.builtin import synthesize
from training.stage import TrainingError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with nothing but what `make train` touches."""
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (tmp_path / ".dvc").mkdir()
    return tmp_path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    file = tmp_path / "rows: a 'name'.csv"
    synthesize(100, seed=1).to_csv(file, index=False)
    return file


def end(how: BaseException | int) -> int:
    if isinstance(how, BaseException):
        raise how
    return how


@pytest.mark.parametrize("before", [b"lock\n", None])
@pytest.mark.parametrize("how", [0, 1, KeyboardInterrupt(), RuntimeError()], ids=repr)
def test_both_files_are_put_back(
    root: Path, rows: Path, before: bytes | None, how: BaseException | int, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = (root / "params.yaml").read_bytes()
    lock = root / "dvc.lock"
    if before is not None:
        lock.write_bytes(before)

    def repro(folder: Path) -> int:
        assert str(rows) in settings.load(folder / "params.yaml").data.path
        (folder / "dvc.lock").write_text("another")
        return end(how)

    monkeypatch.setattr(pipeline, "_dvc_repro", repro)
    if how == 0:
        pipeline.train(root, rows)
    else:
        with pytest.raises((TrainingError, KeyboardInterrupt, RuntimeError)):
            pipeline.train(root, rows)
    assert (root / "params.yaml").read_bytes() == params
    assert (lock.read_bytes() if lock.exists() else None) == before


def test_sigterm_puts_back_too(root: Path, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = (root / "params.yaml").read_bytes()

    monkeypatch.setattr(pipeline, "_dvc_repro", lambda _: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(SystemExit) as stopped:
        pipeline.train(root, rows)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert (root / "params.yaml").read_bytes() == params


def killed(root: Path, rows: Path) -> None:
    """Start a run in a process that is killed as soon as it has changed both files."""
    code = f"""
import os, signal
from pathlib import Path
from training import pipeline
def repro(root):
    (root / "dvc.lock").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
pipeline._dvc_repro = repro
pipeline.train(Path({str(root)!r}), Path({str(rows)!r}))
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == -signal.SIGKILL


@pytest.mark.parametrize("before", [b"lock\n", None])
def test_a_run_that_was_killed_is_put_right_by_the_next(
    root: Path, rows: Path, before: bytes | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    params, lock = (root / "params.yaml").read_bytes(), root / "dvc.lock"
    if before is not None:
        lock.write_bytes(before)
    killed(root, rows)
    assert (root / "params.yaml").read_bytes() != params

    monkeypatch.setattr(pipeline, "_dvc_repro", lambda _: 0)
    pipeline.train(root)
    assert "the last run was killed: params.yaml and dvc.lock are put back" in capsys.readouterr().err
    assert (root / "params.yaml").read_bytes() == params
    assert (lock.read_bytes() if lock.exists() else None) == before
    pipeline.train(root)
    assert "killed" not in capsys.readouterr().err


def test_what_was_edited_after_a_kill_is_kept(root: Path, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed(root, rows)
    mine = settings.PATH.read_bytes() + b"# mine\n"
    (root / "params.yaml").write_bytes(mine)
    monkeypatch.setattr(pipeline, "_dvc_repro", lambda _: 0)
    pipeline.train(root)
    assert (root / "params.yaml").read_bytes() == mine
    assert (root / "dvc.lock").read_text() == "half"


def test_an_edit_during_the_run_is_kept(root: Path, rows: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def repro(folder: Path) -> int:
        (folder / "params.yaml").write_text("mine")
        return 0

    monkeypatch.setattr(pipeline, "_dvc_repro", repro)
    pipeline.train(root, rows)
    assert (root / "params.yaml").read_text() == "mine"


def test_a_second_run_is_refused(root: Path) -> None:
    with overrides.only_one(root), pytest.raises(TrainingError, match="another training run"), overrides.only_one(root):
        pass


def test_a_bad_file_changes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_dvc_repro", lambda _: pytest.fail("DVC was called"))
    bad = root / "bad.csv"
    bad.write_text("a,b\n1,2\n")
    files = {file: file.stat().st_mtime_ns for file in root.glob("[!.]*")}
    with pytest.raises(SystemExit) as stopped:
        main(["--data", str(bad)], root=root)
    assert "error:" in str(stopped.value.code)
    assert 'column "a" is unknown' in str(stopped.value.code)
    assert {file: file.stat().st_mtime_ns for file in root.glob("[!.]*")} == files


def test_interrupted_exits_with_130(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_dvc_repro", lambda _: end(KeyboardInterrupt()))
    with pytest.raises(SystemExit) as stopped:
        main([], root=root)
    assert stopped.value.code == 130
