"""`python -m scoring INPUT OUTPUT`, which is `make score`: score files and say what came out."""

import argparse
import signal
import sys
import time
from types import FrameType

from scoring.problems import ScoringError
from serving.store import LATEST, ModelError, load


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m scoring", description="Score files with a model of the store.")
    parser.add_argument("input", metavar="INPUT", help="a file, folder, glob in quotes or URL: CSV, Parquet, Arrow")
    parser.add_argument("output", metavar="OUTPUT", help="a file by its format's ending, or a folder of parts")
    parser.add_argument("--model", default=LATEST, metavar="TAG", help="a model of the BentoML store (the latest)")
    parser.add_argument(
        "--keep", action="append", default=[], metavar="NAMES", help="columns to carry through, as in id,date"
    )
    parser.add_argument("--rejects", default="", metavar="CSV", help="where refused rows go (OUTPUT.rejects.csv)")
    parser.add_argument(
        "--format", default="", choices=("parquet", "csv", "arrow"), help="of a folder's parts (parquet)"
    )
    parser.add_argument("--part-rows", type=int, default=1_000_000, metavar="N", help="rows of a part (1000000)")
    parser.add_argument("--engine", default="arrow", choices=("arrow", "ray"), help="this process, or Ray Data (arrow)")
    parser.add_argument("--address", default="", help="of a Ray cluster; without it Ray runs on this machine alone")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    asked = parser.parse_args(arguments)
    if asked.part_rows < 1:
        parser.error("--part-rows must be at least 1")
    if asked.address and asked.engine != "ray":
        parser.error("--address needs --engine ray")
    return asked


def _run(asked: argparse.Namespace) -> str:
    from scoring.folder import Engine, Folder
    from scoring.job import Request, make_job
    from scoring.local import Local
    from scoring.on_ray import OnRay
    from scoring.progress import Progress
    from scoring.summary import summary

    stored = load(asked.model)
    began = time.monotonic()
    keep = tuple(dict.fromkeys(name.strip() for names in asked.keep for name in names.split(",") if name.strip()))
    request = Request(asked.input, asked.output, keep, asked.rejects, asked.format, asked.part_rows)
    job = make_job(request, stored)
    engine: Engine = OnRay(asked.address) if asked.engine == "ray" else Local()
    before = 0
    with Progress(job.rows, job.input_bytes, quiet=asked.quiet) as progress:
        if not job.is_folder:
            tally = engine.one_file(job, progress.report)
        else:
            folder = Folder(job)
            with folder.locked():
                if (finished := folder.finished) is not None:
                    return summary(job, finished, 0, finished.rows)
                before, size = folder.done_before()
                progress.skip(before, size)
                engine.parts(job, folder, progress.report)
                tally = folder.finish()
    return summary(job, tally, time.monotonic() - began, before)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line.

    Raises:
        SystemExit: with one sentence on a known error; 130 after Ctrl-C, 143 after SIGTERM.
    """
    asked = _arguments(arguments)
    stopped_by = [signal.SIGINT]

    def stop(number: int, _: FrameType | None) -> None:
        stopped_by[0] = signal.Signals(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        print(_run(asked))
    except (ScoringError, ModelError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print(
            "interrupted: nothing half-written is left; the same command goes on where a folder stopped",
            file=sys.stderr,
        )
        sys.exit(128 + stopped_by[0])


if __name__ == "__main__":
    main()
