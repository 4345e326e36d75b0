"""The same function on Ray Data: on this machine alone, and on a cluster of two nodes of this machine."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scoring.folder import Folder
from scoring.job import Request, make_job
from scoring.on_ray import _make
from serving.schema import FEATURES
from serving.store import StoredModel
from tests.processes import started, stop
from tests.scoring.conftest import Run, table
from tests.scoring.test_main import load, rejects, save

pytestmark = pytest.mark.slow

CLUSTER = """
import signal, sys
from pathlib import Path
from ray.cluster_utils import Cluster
signal.signal(signal.SIGTERM, lambda *_: sys.exit())
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
try:
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    Path(sys.argv[1]).write_text(cluster.address)
    signal.pause()
finally:
    cluster.shutdown()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Ray cluster of two nodes with one core each."""
    folder = tmp_path_factory.mktemp("cluster")
    address = folder / "address"
    # Not in the repository: the nodes shall get the code from the driver.
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    with started([sys.executable, "-c", CLUSTER, str(address)], folder, environment, folder / "log") as process:
        while process.poll() is None and not (address.exists() and address.read_text()):
            time.sleep(0.05)
        assert process.poll() is None, (folder / "log").read_text()
        yield address.read_text()
        stop(process, signal.SIGTERM)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CSV and a Parquet file; each hundredth row is bad."""
    folder = tmp_path_factory.mktemp("source")
    for number, name in enumerate(["a.csv", "b.parquet"]):
        rows = table(20_000, seed=number).to_pydict()
        rows[FEATURES[0].name][::100] = [7] * 200
        rows["id"] = list(map(str, rows["id"]))
        save(pa.table(rows), folder / name)
    return folder


def test_a_cluster_gives_the_results_of_one_process(source: Path, tmp_path: Path, cluster: str, run: Run) -> None:
    options = [source, "--keep", "id", "--part-rows", "6000"]
    alone = run(*options, "alone/").stdout
    shared = run(*options, "shared/", "--engine", "ray", "--address", cluster)
    assert shared.stderr == ""
    assert shared.stdout.split("\n", 1)[1].replace("shared", "alone") == alone.split("\n", 1)[1]
    names = sorted(path.name for path in (tmp_path / "alone").iterdir())
    assert len(names) > 6
    assert names == sorted(path.name for path in (tmp_path / "shared").iterdir())
    for name in names:
        assert pq.read_table(tmp_path / "alone" / name).equals(pq.read_table(tmp_path / "shared" / name))
    assert rejects(tmp_path / "alone.rejects.csv") == rejects(tmp_path / "shared.rejects.csv")


def test_ray_alone_makes_one_file(source: Path, tmp_path: Path, run: Run) -> None:
    options = [source, "--keep", "id", "--part-rows", "15000"]
    said = run(*options, "ray.parquet", "--engine", "ray")
    assert said.stderr == ""
    assert said.stdout.split("\n", 1)[1].replace("ray", "one") == run(*options, "one.parquet").stdout.split("\n", 1)[1]
    assert load(tmp_path / "ray.parquet").equals(load(tmp_path / "one.parquet"))
    assert rejects(tmp_path / "ray.rejects.csv") == rejects(tmp_path / "one.rejects.csv")
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_part_that_cannot_be_read_is_told_to_the_driver(source: Path, tmp_path: Path, stored: StoredModel) -> None:
    damaged = tmp_path / "b.parquet"
    content = bytearray((source / "b.parquet").read_bytes())
    begin = pq.ParquetFile(source / "b.parquet").metadata.row_group(0).column(1).data_page_offset
    content[begin : begin + 100] = b"\xff" * 100
    damaged.write_bytes(content)
    job = make_job(Request(str(damaged), "out/"), stored)
    made = _make({"number": 0, "index": 0, "start": [0, 0, 0]}, Folder(job), job)
    assert made["error"].startswith(f"{damaged} cannot be read: ")
    assert list((tmp_path / "out").iterdir()) == []


def test_no_cluster_there(source: Path, run: Run) -> None:
    done = run(source, "out/", "--engine", "ray", "--address", "127.0.0.1:1", code=1)
    assert done.stderr == "error: there is no Ray cluster at 127.0.0.1:1: Connection refused\n"


def test_an_address_needs_the_engine(run: Run) -> None:
    assert "--address needs --engine ray" in run("in.csv", "out/", "--address", "auto", code=2).stderr
