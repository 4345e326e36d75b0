"""`python -m benchmarks`, which is `make bench`: measure this service beside its peers and the floor, in one run."""

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from benchmarks import environments, figure, plan, report, truth
from benchmarks.peers import PEERS
from benchmarks.results import Results
from benchmarks.running import PeerError, ended_by_signals
from benchmarks.sink import sink
from serving import store

_PROJECT = Path(__file__).parent.parent
# In the folder whose pictures the service shows beside the README.
_PICTURE = _PROJECT / "docs" / "benchmark.png"


def machine() -> dict[str, Any]:
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": models[0].partition(":")[2].strip() if models else platform.processor(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def score(scratch: Path) -> float:
    """Return how many rows a second `model.score` scores by itself."""
    python = environments.ready(environments.OURS) / "python"
    command = (python, "-m", "benchmarks.score", scratch / "rows.npy")
    return float(subprocess.run(command, cwd=_PROJECT, capture_output=True, text=True, check=True).stdout)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    peers = [peer for peer in PEERS if not options.only or peer.name in options.only]
    for name in {peer.environment for peer in peers}:
        environments.ready(name)
    pace = plan.QUICK if options.quick else plan.FULL
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder, sink() as sink_port:
        scratch = Path(folder)
        truth.write(scratch)
        alone = score(scratch)
        records = plan.run(peers, pace, scratch, sink_port, lambda text: print(text, file=sys.stderr, flush=True))
    date = datetime.now(UTC).isoformat(timespec="minutes")
    return {"date": date, "machine": machine(), "pace": vars(pace), "score": alone, "records": records}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: to see that it runs, not how fast")
    parser.add_argument("--only", action="append", choices=[peer.name for peer in PEERS], help="measure these alone")
    parser.add_argument("--output", type=Path, help="folder of what is written; benchmarks/results, of a part reports")
    parser.add_argument("--again", action="store_true", help="show the results that are there, measure nothing")
    options = parser.parse_args()
    ended_by_signals()
    # The README shows the results of whole runs.
    part = options.quick or options.only
    folder = options.output or _PROJECT / ("reports/benchmarks" if part else "benchmarks/results")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "results.json"
    try:
        if not options.again:
            file.write_text(json.dumps(measure(options), indent=1))
        data = json.loads(file.read_text())
    except (environments.EnvironmentFailedError, PeerError, store.ModelError, OSError) as error:
        sys.exit(f"error: {error}")
    results = Results.of(data["records"], data["score"])
    text = report.markdown(results)
    (folder / "results.md").write_text(f"{text}\n")
    figure.draw(results, folder / "results.png" if part or options.output else _PICTURE)
    print(text)
    if failed := [key for key, each in results.loads.items() if "error" in each]:
        sys.exit(f"error: {len(failed)} loads failed: {', '.join(' '.join(key) for key in failed)}")


if __name__ == "__main__":
    main()
