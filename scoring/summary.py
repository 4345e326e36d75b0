"""What a run says at its end."""

from scoring.job import Job
from scoring.tally import Tally
from serving.schema import CLASSES


def summary(job: Job, tally: Tally, seconds: float, before: int) -> str:
    """Return the summary of a run.

    Args:
        seconds: that it took.
        before: rows that an earlier, interrupted run did.
    """
    model, reference = job.scorer.stored.tag, job.scorer.stored.reference
    good = sum(tally.labels)
    if before == tally.rows and not seconds:
        first = f"{job.output.url} was complete: {tally.rows:,} rows scored earlier with {model}"
    else:
        rate = (tally.rows - before) / max(seconds, 1e-9)
        first = f"{tally.rows:,} rows scored with {model} in {seconds:.2f} s, {rate:,.0f} rows/s"
        first += f" ({before:,} of them by an earlier run)" if before else ""
    lines = [
        first,
        f"  predictions  {good:,} in {job.output.url}",
        f"  rejects      {tally.rejects:,}{_share(tally.rejects, tally.rows)} in {job.rejects.url}",
    ]
    labels = [f"{name} {n:,}{_share(n, good)}" for name, n in zip(CLASSES, tally.labels, strict=True)]
    lines += [f"  labels       {', '.join(labels)}", f"  outliers     {tally.outliers:,}{_share(tally.outliers, good)}"]
    drift = tally.drift(reference)
    drifted = [f"{one.column} (PSI {one.psi:.3f}, limit {one.limit:.3f})" for one in drift if one.drifted]
    if drift:
        worst = max(drift, key=lambda one: one.psi / one.limit)
        none = f"none against the {reference.rows:,} training rows; nearest: {worst.column}"
        none += f" (PSI {worst.psi:.3f}, limit {worst.limit:.3f})"
        lines.append(f"  drift        {', '.join(drifted) or none}")
    return "\n".join(lines)


def _share(part: int, whole: int) -> str:
    return f" ({part / whole:.1%})" if whole else ""
