"""The Markdown of `make compare`, for a comment on GitHub: it draws mermaid's charts and embeds no local image."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from serving.model import Model
from serving.schema import CLASSES
from training.gate import Verdict
from training.scores import CALIBRATION_BINS

# What is better when it is less; the others are better when they are more.
_LESS = {"log_loss", "brier", "calibration_error"}
_SCORES = ("accuracy", "auc", "log_loss", "brier", "calibration_error")
_TINY = 5e-5  # what four decimals do not show
# As training.figures has them: here, base, and a grey for what is ideal.
_PALETTE = "#0072B2, #E69F00, #999999"


@dataclass(frozen=True)
class Side:
    """What the pipeline made of one revision. `plots`: the tables of reports/plots; `params`: by their dotted names."""

    name: str
    metrics: dict[str, Any]
    plots: dict[str, pd.DataFrame]
    params: dict[str, str]
    model: Model


def run_address(environment: Mapping[str, str]) -> str:
    """Return the page of the GitHub run that this is part of; empty elsewhere."""
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (environment.get(name, "") for name in names)
    return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""


def write(here: Side, base: Side, verdict: Verdict, address: str = "") -> str:
    """Write the report.

    Args:
        address: of the run whose artifact holds the figures.
    """
    failed = "; ".join(check.name for check in verdict.checks if not check.passed)
    said = f"❌ **The gate refuses this model**: {failed}." if failed else "✅ **The gate lets this model through.**"
    against = f"against {verdict.champion}" if verdict.champion else f"alone: {base.name} has other features"
    figures = f"[the artifact `model` of this run]({address})" if address else "`reports/figures/`"
    return f"""## The model, beside {base.name}

{said} {verdict.rows:,} hold-out rows, {against}.

{_scores(here, base)}

Out of fold, {here.metrics["rows"]:,} rows here and {base.metrics["rows"]:,} there. The figures as SVG: {figures}.

{_params(here, base)}<details><summary>The gate's checks</summary>

{_checks(verdict)}

</details>
<details><summary>Calibration, ROC, confusion</summary>

{_calibration(here, base)}
{_roc(here, base)}
{_confusion(here)}

{_confusion(base)}

</details>
"""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _scores(here: Side, base: Side) -> str:
    def line(label: str, name: str, ours: float, theirs: float | None) -> list[str]:
        if theirs is None:
            return [label, "", f"{ours:.4f}", ""]
        more = ours - theirs
        better = "=" if abs(more) < _TINY else "better" if (more < 0) == (name in _LESS) else "**worse**"
        return [label, f"{theirs:.4f}", f"{ours:.4f}", f"{more:+.4f} {better}"]

    rows = [line(name.replace("_", " "), name, here.metrics[name], base.metrics.get(name)) for name in _SCORES]
    recalls = base.metrics.get("recall", {})
    rows += [line(f"recall of {c}", "recall", r, recalls.get(c)) for c, r in here.metrics["recall"].items()]
    return _table(["", base.name, here.name, "difference"], rows)


def _params(here: Side, base: Side) -> str:
    names = [n for n in {**base.params, **here.params} if base.params.get(n) != here.params.get(n)]
    if not names:
        return ""
    changed = ([f"`{n}`", base.params.get(n, ""), here.params.get(n, "")] for n in names)
    return f"{_table(['params.yaml', base.name, here.name], changed)}\n\n"


def _checks(verdict: Verdict) -> str:
    return _table(
        ["check", "value", "bound", ""],
        (
            [
                c.name,
                f"{c.value:.4f}",
                f"{'≥' if c.least else '≤'} {c.bound:.4f}",
                "passed" if c.passed else "**FAILED**",
            ]
            for c in verdict.checks
        ),
    )


def _chart(title: str, across: str, up: str, lines: Iterable[Iterable[float]]) -> str:
    """Draw lines over even steps from 0 to 1 of what goes across."""
    drawn = "\n".join(f"    line [{', '.join(f'{value:.4f}' for value in line)}]" for line in lines)
    return f"""```mermaid
%%{{init: {{"themeVariables": {{"xyChart": {{"plotColorPalette": "{_PALETTE}"}}}}}}}}%%
xychart-beta
    title "{title}"
    x-axis "{across}" 0 --> 1
    y-axis "{up}" 0 --> 1
{drawn}
```
Blue is here, orange is there, grey is"""


def _along(table: pd.DataFrame, across: str, up: str, steps: int) -> list[float]:
    ordered = table.sort_values([across, up])
    found: list[float] = np.interp(np.linspace(0, 1, steps), ordered[across], ordered[up]).tolist()
    return found


def _calibration(here: Side, base: Side) -> str:
    lines = [
        _along(side.plots["calibration"], "predicted_probability", "observed_share", CALIBRATION_BINS + 1)
        for side in (here, base)
    ]
    ideal = np.linspace(0, 1, CALIBRATION_BINS + 1).tolist()
    across, up = f"predicted probability of {CLASSES[-1]}", "observed share"
    return f"{_chart('Calibration, out of fold', across, up, [*lines, ideal])} what perfect probabilities would show.\n"


def _roc(here: Side, base: Side) -> str:
    steps = 41
    lines = [_along(side.plots["roc"], "false_positive_rate", "true_positive_rate", steps) for side in (here, base)]
    ideal = np.linspace(0, 1, steps).tolist()
    chart = _chart("ROC, out of fold", "false positive rate", "true positive rate", [*lines, ideal])
    return f"{chart} chance.\n"


def _confusion(side: Side) -> str:
    counts = pd.crosstab(side.plots["confusion"]["actual"], side.plots["confusion"]["predicted"])
    counts = counts.reindex(index=list(CLASSES), columns=list(CLASSES), fill_value=0)
    rows = ([f"actual {actual}", *(f"{n:,}" for n in counts.loc[actual])] for actual in CLASSES)
    return _table([side.name, *(f"predicted {label}" for label in CLASSES)], rows)
