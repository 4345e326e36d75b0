"""Folders: taken up again after an interruption, never mixed with another run."""

import os
import signal
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from scoring.__main__ import main
from serving.schema import FEATURES
from tests.processes import started
from tests.scoring.conftest import Run, table
from tests.scoring.test_main import load, refused, rejects, save
from tests.servers import ROOT

PARTS = ("--part-rows", "2500", "--keep", "id")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a CSV and a Parquet file with 1 % bad rows, a hundred parts in all."""
    folder = tmp_path_factory.mktemp("source")
    name = FEATURES[0].name
    for number, path in enumerate(["a.csv", "b.parquet"]):
        rows = table(100_000, seed=number)
        bad = pa.array([7 if i % 100 == 0 else value for i, value in enumerate(rows[name].to_pylist())])
        rows = rows.set_column(rows.column_names.index(name), name, bad)
        # Kept columns must have one type, and a CSV has only text.
        rows = rows.set_column(0, "id", rows["id"].cast(pa.string()))
        (pa_csv.write_csv if path.endswith(".csv") else pq.write_table)(rows, folder / path)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_an_interrupted_folder_is_taken_up_again(
    number: signal.Signals, source: Path, tmp_path: Path, tag: str, run: Run
) -> None:
    command = [sys.executable, "-m", "scoring", str(source), "out/", "--model", tag, *PARTS]
    out, state = tmp_path / "out", tmp_path / "out.state"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with started(command, tmp_path, environment, tmp_path / "log") as process:
        while process.poll() is None and not (state / "00003.json").exists():
            time.sleep(0.001)
        process.send_signal(number)
        code = process.wait()
    done = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}
    assert not (tmp_path / "out.rejects.csv").exists()
    assert 4 <= len(done) < 60, "it was not interrupted half-way"
    if number == signal.SIGKILL:
        assert code == -number
    else:
        assert code == 128 + number
        assert (tmp_path / "log").read_text().count("\n") == 1
        assert list(out.glob(".*")) == []
    said = run(source, "out/", *PARTS).stdout
    assert "of them by an earlier run" in said
    whole = run(source, "whole/", *PARTS).stdout
    assert whole.split("\n", 1)[1].replace("whole", "out") == said.split("\n", 1)[1]
    kept = {path.name for path in out.glob("part-*") if done.get(path.name) == path.stat().st_mtime_ns}
    assert len(kept) >= len(done) - 1, "parts that were done were made again"
    names = [path.name for path in sorted(out.iterdir())]
    assert names == [path.name for path in sorted((tmp_path / "whole").iterdir())]
    assert names == [f"part-{i:05}.parquet" for i in range(len(names))]
    for name in names:
        assert pq.read_table(out / name).equals(pq.read_table(tmp_path / "whole" / name))
    assert rejects(tmp_path / "out.rejects.csv") == rejects(tmp_path / "whole.rejects.csv")
    assert len(rejects(tmp_path / "out.rejects.csv")) == 2000
    assert len(load(out)) == 198_000
    assert sorted(path.name for path in state.iterdir()) == ["lock", "run.json"]


@pytest.mark.slow
def test_an_interrupted_file_starts_again(source: Path, tmp_path: Path, tag: str, run: Run) -> None:
    command = [sys.executable, "-m", "scoring", str(source / "b.parquet"), "out.parquet", "--model", tag]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    hidden = tmp_path / ".out.parquet.unfinished"
    with started(command, tmp_path, environment, tmp_path / "log") as process:
        while process.poll() is None and not hidden.exists():
            time.sleep(0.001)
        process.kill()
        process.wait()
    assert hidden.exists()
    assert not (tmp_path / "out.parquet").exists()
    run(source / "b.parquet", "out.parquet")
    assert len(load(tmp_path / "out.parquet")) == 99_000
    assert list(tmp_path.glob(".*")) == []


def test_a_folder_takes_only_the_run_it_began_with(
    tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save(table(100), tmp_path / "in.parquet")
    request = ["in.parquet", "out/", "--model", tag]
    main(request)
    capsys.readouterr()
    main(request)
    assert capsys.readouterr().out.startswith(f"out was complete: 100 rows scored earlier with {tag}\n")
    again = "name another folder, or remove it and out.state"
    assert f"error: out holds another run, which differs in the columns to keep: {again}" in refused(
        capsys, *request, "--keep", "id"
    )
    said = refused(capsys, *request, "--format", "csv", "--part-rows", "7")
    assert "differs in the format and the rows of a part:" in said
    save(table(101), tmp_path / "in.parquet")
    assert "differs in the input:" in refused(capsys, *request)


def test_a_folder_with_other_files_or_without_its_parts_is_refused(
    tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    save(table(100), tmp_path / "in.parquet")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    assert "error: mine is not empty and mine.state" in refused(capsys, "in.parquet", "mine/", "--model", tag)
    main(["in.parquet", "out/", "--model", tag, "--part-rows", "50", "--quiet"])
    capsys.readouterr()
    (tmp_path / "out" / "part-00001.parquet").unlink()
    said = refused(capsys, "in.parquet", "out/", "--model", tag, "--part-rows", "50")
    assert said == ("error: out/part-00001.parquet of an earlier run is gone: remove out and out.state to start again")


def test_two_runs_for_one_place_do_not_meet(tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    import fcntl

    save(table(100), tmp_path / "in.parquet")
    with (tmp_path / ".out.rejects.csv.unfinished").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = refused(capsys, "in.parquet", "out.parquet", "--model", tag)
        assert said == "error: another run is writing out.rejects.csv: wait for it to end"
    (tmp_path / "out.state").mkdir()
    with (tmp_path / "out.state" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        said = refused(capsys, "in.parquet", "out/", "--model", tag)
        assert said == "error: another run is writing out: wait for it to end"
