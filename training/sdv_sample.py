"""Fits SDV's Gaussian copula and samples from it. Runs in .venv-synthesize, which has SDV and nothing else of ours.

`python training/sdv_sample.py FOLDER`: reads real.csv and job.json there, {"columns": {name: sdtype}, "target",
"rows"}, and writes per_class.csv, one copula for each class; joint.csv, one over all; and SDMetrics' reports of both.
"""

import json
import sys
import warnings
from pathlib import Path

import pandas as pd
from sdmetrics.reports.single_table import DiagnosticReport, QualityReport
from sdv.metadata import Metadata
from sdv.single_table import GaussianCopulaSynthesizer

warnings.simplefilter("ignore")  # of SDV about itself
TABLE = "rows"


def table_metadata(columns: dict[str, str]) -> dict[str, object]:
    return {"columns": {name: {"sdtype": kind} for name, kind in columns.items()}}


def sample(real: pd.DataFrame, columns: dict[str, str], rows: int) -> pd.DataFrame:
    """Fit one copula and draw rows from it."""
    used = {name: kind for name, kind in columns.items() if name in real}
    metadata = Metadata.load_from_dict({"METADATA_SPEC_VERSION": "V1", "tables": {TABLE: table_metadata(used)}})
    synthesizer = GaussianCopulaSynthesizer(metadata)
    synthesizer.fit({TABLE: real})
    drawn: pd.DataFrame = synthesizer.sample(rows)[TABLE]
    return drawn


def by_class(real: pd.DataFrame, columns: dict[str, str], target: str, rows: int) -> pd.DataFrame:
    """Fit one copula to each class and draw as many rows of it as its share says."""
    parts = []
    for label, part in real.groupby(target, sort=True):
        drawn = sample(part.drop(columns=target), columns, round(rows * len(part) / len(real)))
        parts.append(drawn.assign(**{target: label}))
    return pd.concat(parts, ignore_index=True)


def report(real: pd.DataFrame, drawn: pd.DataFrame, columns: dict[str, str]) -> dict[str, object]:
    """Return the scores of SDMetrics, 0 to 1, whole and by property."""
    scores: dict[str, object] = {}
    for name, made in (("quality", QualityReport()), ("diagnostic", DiagnosticReport())):
        made.generate(real, drawn[list(real.columns)], table_metadata(columns), verbose=False)
        scores[name] = {"score": made.get_score(), **dict(made.get_properties().to_numpy().tolist())}
    return scores


def main(folder: Path) -> None:
    job = json.loads((folder / "job.json").read_text())
    real, columns = pd.read_csv(folder / "real.csv")[list(job["columns"])], job["columns"]
    drawn = {
        "per_class": by_class(real, columns, job["target"], job["rows"]),
        "joint": sample(real, columns, job["rows"]),
    }
    for name, frame in drawn.items():
        frame.to_csv(folder / f"{name}.csv", index=False, columns=list(columns))
    reports = {name: report(real, frame, columns) for name, frame in drawn.items()}
    (folder / "reports.json").write_text(json.dumps(reports, indent=2))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
