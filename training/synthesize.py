"""Optional: synthetic rows by SDV from a real file, and how good and how private they are.

`make synthesize DATA=people.csv`. SDV needs an older pandas and runs in its own environment; CSV and JSON go between.
A part of the real rows is held out: nothing is fitted on it. The rows drawn may equal real ones, so share with care.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB

from serving.schema import CLASSES, FEATURES, NAMES, TARGET, Number
from training import builtin, dataset, settings
from training.data import read_csv
from training.privacy import privacy
from training.scores import measure
from training.stage import TrainingError, run, say

OUTPUT = Path("data/synthetic.csv")
REPORTS = Path("reports/synthetic")
PYTHON = Path(__file__).resolve().parents[1] / ".venv-synthesize/bin/python"
SCRIPT = Path(__file__).with_name("sdv_sample.py")


def columns() -> dict[str, str]:
    """Return what SDV calls the kind of each column, the target last."""
    kinds = {f.name: "numerical" if isinstance(f, Number) else "categorical" for f in FEATURES}
    return {**kinds, TARGET: "categorical"}


def draw(real: pd.DataFrame, rows: int) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Sample by SDV in its environment.

    Returns:
        Rows by one copula per class and by a joint one, and SDMetrics' reports on both.

    Raises:
        TrainingError: the environment is missing, or SDV failed.
    """
    if not PYTHON.exists():
        raise TrainingError("SDV is not installed: `make synthesize DATA=people.csv` sets it up in .venv-synthesize")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        real.to_csv(folder / "real.csv", index=False)
        job = {"columns": columns(), "target": TARGET, "rows": rows}
        (folder / "job.json").write_text(json.dumps(job))
        done = subprocess.run([PYTHON, SCRIPT, folder], capture_output=True, text=True, check=False)
        if done.returncode:
            last = done.stderr.strip().rpartition("\n")[2]
            raise TrainingError(f"SDV could not synthesize these rows: {last or f'exit code {done.returncode}'}")
        drawn = {
            kind: pd.read_csv(folder / f"{kind}.csv").astype(real.dtypes.to_dict()) for kind in ("per_class", "joint")
        }
        return drawn, json.loads((folder / "reports.json").read_text())


def train_and_test(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, float]:
    """Fit GaussianNB on some rows and measure it on others."""
    model = GaussianNB().fit(train[list(NAMES)], train[TARGET].map(CLASSES.index))
    return measure(test[TARGET].map(CLASSES.index).to_numpy(), model.predict_proba(test[list(NAMES)]))


def judge(
    real: pd.DataFrame, test: pd.DataFrame, generated: dict[str, pd.DataFrame]
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the table of utility (train on each, test on held-out real rows) and that of privacy."""
    fitted = real[list(NAMES)].to_numpy(float)
    return {
        "utility": {name: train_and_test(frame, test) for name, frame in {"real": real, **generated}.items()},
        "privacy": {
            name: privacy(frame[list(NAMES)].to_numpy(float), fitted)
            for name, frame in {"held_out": test, **generated}.items()
        },
    }


def synthesize(data: Path, asked: settings.Synthesize, folds: int) -> dict[str, object]:
    """Make `OUTPUT` and the reports from a real file. Raises TrainingError."""
    frame = read_csv(data, folds)
    real, test = train_test_split(frame, test_size=asked.held_out, random_state=asked.seed, stratify=frame[TARGET])
    say(f"synthesize: SDV fits {len(real):,} rows of {data}; {len(test):,} are held out")
    drawn, sdmetrics = draw(real, asked.rows)
    found = judge(real, test, {**drawn, "builtin": builtin.synthesize(asked.rows, asked.seed)})
    result: dict[str, object] = {"rows": {"fitted": len(real), "held_out": len(test)}, "sdmetrics": sdmetrics, **found}
    dataset.write(drawn["per_class"], OUTPUT)
    REPORTS.mkdir(parents=True, exist_ok=True)
    (REPORTS / "report.json").write_text(json.dumps(result, indent=2) + "\n")
    for name in ("utility", "privacy"):
        say(f"\n{name}\n{pd.DataFrame(found[name]).T.round(4)}")
    quality = ", ".join(f"{name} {scores['quality']['score']:.3f}" for name, scores in sdmetrics.items())
    say(f"\nSDMetrics quality: {quality}\nrows: {OUTPUT}, reports: {REPORTS}")
    return result


def main() -> None:
    parser = argparse.ArgumentParser("python -m training.synthesize", description="Synthetic rows by SDV.")
    parser.add_argument("--data", type=Path, metavar="CSV", help="real rows, instead of params.yaml's synthesize.path")
    params = settings.load()
    given = parser.parse_args().data or (Path(params.synthesize.path) if params.synthesize.path else None)
    if given is None:
        raise TrainingError("no real rows to learn from: name a file, as in `make synthesize DATA=people.csv`")
    synthesize(given.expanduser(), params.synthesize, params.train.folds)


if __name__ == "__main__":
    run(main)
