"""`python -m scoring INPUT OUTPUT`, which is `make score`: score files and say what came out."""

import argparse
import sys

from scoring import interrupts


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m scoring", description="Score files with a model of the store.")
    parser.add_argument("input", metavar="INPUT", help="a file, folder, glob in quotes or URL: CSV, Parquet, Arrow")
    parser.add_argument("output", metavar="OUTPUT", help="a file by its format's ending, or a folder of parts")
    parser.add_argument("--model", default="", metavar="TAG", help="a model of the BentoML store (the latest)")
    parser.add_argument(
        "--keep", action="append", default=[], metavar="NAMES", help="columns to carry through, as in id,date"
    )
    parser.add_argument(
        "--rejects", default="", metavar="CSV", help="where refused rows go (of scored.parquet: scored.rejects.csv)"
    )
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


def main(arguments: list[str] | None = None) -> None:
    """Run the command line.

    Raises:
        SystemExit: with one sentence on a known error; 130 after Ctrl-C, 143 after SIGTERM.
    """
    asked = _arguments(arguments)
    interrupts.install()
    try:
        # Slow to import, and Ctrl-C may come meanwhile.
        from scoring.command import run

        print(run(asked))
    except KeyboardInterrupt:
        said = "interrupted: nothing half-written is left; the same command goes on where a folder stopped"
        print(said, file=sys.stderr)
        sys.exit(128 + interrupts.last)


if __name__ == "__main__":
    main()
