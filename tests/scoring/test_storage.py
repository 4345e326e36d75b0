"""Object storage, full disks and closed doors: real ones."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs

from scoring.__main__ import main
from scoring.places import NewFile, Place
from scoring.problems import ScoringError
from serving.schema import NAMES
from serving.store import StoredModel
from tests.models import plausible_rows
from tests.object_storage import s3_server
from tests.scoring.conftest import table
from tests.scoring.test_main import check, load, refused, rejects, save
from tests.servers import free_port
from tests.tools import missing, require_tool

pytestmark = pytest.mark.slow
NOBODY = 65534


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real S3 API on this machine."""
    with s3_server(tmp_path_factory.mktemp("s3")) as url:
        yield url


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> s3fs.S3FileSystem:
    """An empty bucket `rows`, with the environment that everybody's tools read."""
    httpx.post(f"{s3}/moto-api/reset").raise_for_status()
    for name, value in {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    storage = s3fs.S3FileSystem()
    storage.mkdir("rows")
    return storage


def uploads(storage: s3fs.S3FileSystem) -> list[object]:
    return list(storage.call_s3("list_multipart_uploads", Bucket="rows").get("Uploads", []))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".feather"])
def test_object_storage(
    suffix: str,
    bucket: s3fs.S3FileSystem,
    tmp_path: Path,
    stored: StoredModel,
    tag: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for number in range(2):
        bucket.put(str(save(table(500, seed=number), tmp_path / f"{number}{suffix}")), f"rows/in/{number}{suffix}")
    common = ["--model", tag, "--part-rows", "200", "--keep", "id"]
    main(["s3://rows/in", "s3://rows/out/", *common])
    main([f"s3://rows/in/*{suffix}", "s3://rows/all.parquet", *common])
    capsys.readouterr()
    main(["s3://rows/in", "s3://rows/out/", *common])
    assert capsys.readouterr().out.startswith("s3://rows/out was complete: 1,000 rows")
    everything = [plausible_rows(500, 0), plausible_rows(500, 1)]
    bucket.invalidate_cache()
    names = sorted(bucket.find("rows"))
    parts = [name for name in names if name.startswith("rows/out/")]
    assert names == sorted(
        [f"rows/in/{i}{suffix}" for i in range(2)]
        + parts
        + ["rows/all.parquet", "rows/all.rejects.csv", "rows/out.rejects.csv", "rows/out.state/run.json"]
    )
    assert len(parts) > 2
    for name in ("out", "all.parquet"):
        bucket.get(f"rows/{name}", str(tmp_path / name), recursive=True)
        check(load(tmp_path / name), np.concatenate(everything), stored)
    assert uploads(bucket) == []


def test_a_run_for_object_storage_that_fails_leaves_nothing(
    bucket: s3fs.S3FileSystem, tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Random bytes to keep make an upload of many megabytes; the last row group cannot be read.
    rows = table(30_000).append_column("noise", pa.array([os.urandom(600) for _ in range(30_000)]))
    source = tmp_path / "in.parquet"
    pq.write_table(rows, source, row_group_size=1000, compression="none")
    damaged = bytearray(source.read_bytes())
    begin = pq.ParquetFile(source).metadata.row_group(29).column(1).data_page_offset
    damaged[begin : begin + 200] = b"\xff" * 200
    source.write_bytes(damaged)
    said = refused(capsys, source, "s3://rows/out.parquet", "--model", tag, "--keep", "noise")
    assert said.startswith(f"error: {source} cannot be read: ")
    bucket.invalidate_cache()
    assert bucket.find("rows") == []
    assert uploads(bucket) == []


def test_buckets_that_cannot_be_used(
    bucket: s3fs.S3FileSystem,
    tmp_path: Path,
    tag: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    save(table(10), tmp_path / "in.parquet")
    assert (
        refused(capsys, "s3://none/in.parquet", "out.csv", "--model", tag)
        == "error: s3://none/in.parquet does not exist"
    )
    for output in ("s3://none/out.parquet", "s3://none/out/"):
        said = refused(capsys, "in.parquet", output, "--model", tag)
        assert said.startswith("error: s3://none/out")
        assert "The specified bucket does not exist" in said
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    s3fs.S3FileSystem.clear_instance_cache()
    for request in (["s3://rows/in.parquet", "out.csv"], ["in.parquet", "s3://rows/out.parquet"]):
        said = refused(capsys, *request, "--model", tag)
        assert "s3://rows/" in said
        assert "Could not connect to the endpoint URL" in said
    assert refused(capsys, "nfs://rows", "out.csv").startswith("error: nfs://rows cannot be opened: Protocol not known")
    assert [path.name for path in tmp_path.iterdir()] == ["in.parquet"]


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """Mount an empty file system in memory on a new folder."""
    require_tool("mount", "apt install mount")
    if os.geteuid():
        missing("only root may mount the small file system that this test fills: run it as root")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("output", ["out.parquet", "out.csv", "out.arrow", "out/"])
def test_a_full_disk(output: str, tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    rows = table(100_000).append_column("noise", pa.array([os.urandom(8).hex() for _ in range(100_000)]))
    save(rows, tmp_path / "in.parquet")
    with mounted(tmp_path / "small", "size=1m") as small:
        said = refused(capsys, "in.parquet", f"small/{output}", "--model", tag, "--keep", "noise")
        assert said.startswith(f"error: small/{output}")
        assert said.endswith("cannot be written: no space is left there")
        assert [path.name for path in small.rglob("*") if path.is_file()] == (
            ["lock", "run.json"] if output == "out/" else []
        )


@pytest.mark.parametrize("output", ["out.parquet", "out/"])
def test_a_read_only_disk(output: str, tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    save(table(10), tmp_path / "in.parquet")
    with mounted(tmp_path / "closed", "ro"):
        said = refused(capsys, "in.parquet", f"closed/{output}", "--model", tag)
        assert said.startswith("error: closed/out")
        assert said.endswith(": it is on a read-only file system")


def test_a_closed_door(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        with pytest.raises(ScoringError, match=r"/out\.csv cannot be written: permission denied$"):
            NewFile(Place.of(str(closed / "out.csv")))
    finally:
        os.seteuid(was)
    assert list(closed.iterdir()) == []


def test_the_rejects_of_object_storage_go_where_they_are_asked_to(
    bucket: s3fs.S3FileSystem, tmp_path: Path, tag: str
) -> None:
    rows = {**table(10).to_pydict(), NAMES[0]: [9] * 10}
    bucket.put(str(save(pa.table(rows), tmp_path / "in.parquet")), "rows/in.parquet")
    main(["s3://rows/in.parquet", "out.parquet", "--rejects", "why.csv", "--model", tag])
    assert [(file, line) for file, line, _ in rejects(tmp_path / "why.csv")] == [
        ("s3://rows/in.parquet", line) for line in range(1, 11)
    ]
