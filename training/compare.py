"""`make compare BASE=origin/main`: the model trained here beside another revision's, to reports/comparison.md.

Both are put through the gate as if the other revision's were served: challenger here, champion there.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from serving.model import Model, Parameters
from training import comparison, dataset, gate, revision, settings
from training.comparison import Side
from training.stage import TrainingError, run, say

ROOT = Path(__file__).resolve().parents[1]
REPORT = Path("reports/comparison.md")
PLOTS = ("confusion", "roc", "calibration")


def read(folder: Path, name: str) -> Side:
    """Read what the pipeline left in a folder.

    Raises:
        TrainingError: it has not run there.
    """
    try:
        metrics = json.loads((folder / "reports" / "metrics.json").read_bytes())
        plots = {plot: pd.read_csv(folder / "reports" / "plots" / f"{plot}.csv") for plot in PLOTS}
        with np.load(folder / "models" / "candidate" / "parameters.npz", allow_pickle=False) as arrays:
            model = Model(Parameters(**arrays))
        params = _flat(yaml.safe_load((folder / settings.PATH).read_text(encoding="utf-8")))
    except OSError as error:
        raise TrainingError(f"there is no {error.filename}: run `make train` first") from error
    return Side(name, metrics, plots, params, model)


def _flat(params: dict[str, Any], above: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in params.items():
        flat |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": str(value)}
    return flat


def judge(here: Side, base: Side, root: Path) -> gate.Verdict:
    """Let our model through the gate with the base's as champion, if that takes the same features."""
    params = settings.load(root / settings.PATH).gate
    _, held = dataset.read(root / dataset.PATH).split(params.holdout)
    same = here.model.parameters.mean.shape == base.model.parameters.mean.shape
    return gate.judge(
        lambda rows: here.model.score(rows).probabilities,
        (lambda rows: base.model.score(rows).probabilities) if same else None,
        held,
        params,
        base.name if same else "",
    )


def main(root: Path = ROOT) -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m training.compare REVISION")
    name = sys.argv[1]
    here = read(root, "this change")
    with revision.trained(root, name) as folder:
        base = read(folder, f"{name} ({revision.resolve(root, name)[:8]})")
    verdict = judge(here, base, root)
    text = comparison.write(here, base, verdict, comparison.run_address(os.environ))
    (root / REPORT).write_text(text, encoding="utf-8")
    # Where GitHub shows it with the run, also of a fork's pull request, which gets no comment.
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as page:
            page.write(text)
    say(verdict.table())
    say(f"compared with {base.name}: {REPORT}")
    if not verdict.passed:
        raise TrainingError(f"the gate refuses this model beside that of {base.name}; {REPORT} says why")


if __name__ == "__main__":
    run(main)
