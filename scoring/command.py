"""One run from the request to the summary."""

import argparse
import sys
import time

from scoring.folder import Engine, Folder
from scoring.job import Request, make_job
from scoring.local import Local
from scoring.on_ray import OnRay
from scoring.places import discard_all
from scoring.problems import ScoringError
from scoring.progress import Progress
from scoring.summary import summary
from serving.store import LATEST, ModelError, load


def run(asked: argparse.Namespace) -> str:
    """Do what the command line asks for and return the summary.

    Raises:
        SystemExit: with one sentence on a known error.
    """
    try:
        return _run(asked)
    except (ScoringError, ModelError) as error:
        sys.exit(f"error: {error}")
    finally:
        discard_all()


def _run(asked: argparse.Namespace) -> str:
    stored = load(asked.model or LATEST)
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
