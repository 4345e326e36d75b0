"""The live state as HTML: traffic, drift, live accuracy, the last report, each feature beside its training rows."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from html import escape
from math import sqrt
from pathlib import Path
from typing import NamedTuple

from serving.prediction_log import PredictionLog
from serving.predictor import Predictor
from serving.reference import MIN_ROWS, Bins
from serving.schema import CLASSES, FEATURES, Flag
from serving.store import StoredModel
from serving.ui.html import beside, facts, shares
from serving.ui.numbers import LABELS_SECONDS, Counts, Report, Truth, ask_log, count, last_report

Texts = Mapping[str, str]


class Column(NamedTuple):
    """A feature or the probability: live counts in the bins of the training rows, and how far that is from them.

    ticks: the edges between the bins; of a flag the names of its two bins.
    """

    name: str
    label: str
    bins: Bins
    counts: list[int]
    ticks: list[str]
    psi: float
    limit: float


async def live(predictor: Predictor, folder: Path, texts: Texts) -> str:
    """Describe the live state of the model that answers.

    Args:
        folder: of the monitor's reports.
    """
    stored, log = predictor.stored, predictor.log
    counts = await count(stored)
    truth = await ask_log(log, stored.tag) if log is not None else None
    columns = list(_columns(stored, counts, texts))
    return (
        f"{_traffic(stored.tag, counts, texts)}{_drift(columns, sum(counts.labels), texts)}"
        f'<div class="pair">{_accuracy(stored, log, truth, texts)}{_report(last_report(folder), folder, texts)}</div>'
        f"{_distributions(columns, sum(counts.labels), stored.reference.rows, texts)}"
    )


def _columns(stored: StoredModel, counts: Counts, texts: Texts) -> Iterator[Column]:
    reference, n = stored.reference, max(1, sum(counts.labels))
    of_probability = texts["rows_summary_x"].format(CLASSES[-1])
    described = [
        *(
            (
                texts[f"name_{f.name}"],
                texts[f"label_{f.name}"],
                reference.features[f.name],
                [texts["no"], texts["yes"]] if isinstance(f, Flag) else None,
            )
            for f in FEATURES
        ),
        (of_probability[:1].upper() + of_probability[1:], of_probability, reference.probability, None),
    ]
    for (name, label, bins, names), counted in zip(described, counts.bins, strict=True):
        ticks = names or [f"{edge:.3g}" for edge in bins.edges]
        psi = bins.psi(counted) if any(counted) else 0.0
        yield Column(name, label, bins, counted, ticks, psi, bins.limit(n, reference.rows))


def _traffic(tag: str, counts: Counts, texts: Texts) -> str:
    rows = sum(counts.labels)
    unlike = f"{100 * counts.outliers / rows:.1f}\u202f%" if rows else "\u2013"
    tiles = "".join(
        f"<div><dt>{texts[key]}</dt><dd>{value}</dd></div>"
        for key, value in (
            ("live_requests", f"{counts.requests:,}"),
            ("live_failed", f"{counts.failed:,}"),
            ("live_rows", f"{rows:,}"),
            ("live_unlike", unlike),
        )
    )
    labels = shares(zip(CLASSES, (each / rows for each in counts.labels), strict=True)) if rows else ""
    by_class = f"<figure><figcaption>{texts['live_classes']}</figcaption>{labels}</figure>" if rows else ""
    return (
        f'<div class="card"><h2>{texts["live_traffic"]}</h2><p>{texts["live_since"]}</p><dl class="tiles">{tiles}</dl>'
        f"{by_class}{facts([(texts['model_model'], tag)])}</div>"
    )


def _drift(columns: list[Column], n: int, texts: Texts) -> str:
    drifted = [column.name for column in columns if column.psi > column.limit]
    if n < MIN_ROWS:
        verdict = f'<p class="verdict-line">{texts["live_few"].format(f"{n:,}", MIN_ROWS)}</p>'
    elif drifted:
        names = texts["live_drifted"].format(escape(", ".join(drifted)))
        verdict = f'<div class="notice" role="note"><strong>{names}</strong><p>{texts["live_drifted_why"]}</p></div>'
    else:
        verdict = f'<p class="verdict-line">{texts["live_alike"].format(f"{n:,}")}</p>'
    rows = "".join(_psi(column, n, texts) for column in columns)
    return (
        f'<div class="card"><h2>{texts["live_drift"]}</h2>{verdict}'
        f'<figure><figcaption id="psi">{texts["live_psi"]}</figcaption><table class="bars" aria-labelledby="psi">'
        f'<thead class="unseen"><tr><th scope="col">{texts["feature"]}</th><td></td><th scope="col">PSI</th></tr>'
        "</thead>"
        f'<tbody>{rows}</tbody></table><p class="axis">{texts["live_psi_axis"]}</p></figure></div>'
    )


def _psi(column: Column, n: int, texts: Texts) -> str:
    # The line in the middle of the bar is the threshold.
    judged = n >= MIN_ROWS and column.psi > column.limit
    width = min(100.0, 50 * column.psi / column.limit)
    colour = "var(--class-4)" if judged else "var(--class-2)"
    below = texts["live_threshold"].format(f"{column.limit:.3f}") if n else ""
    bar = f'<i style="left:0;width:{width:.2f}%;background:{colour}"></i>' if n else ""
    psi = f"{column.psi:.3f}" if n else "\u2013"
    mark = f' <b class="mark">{texts["live_mark"]}</b>' if judged else ""
    return (
        f'<tr><th scope="row">{escape(column.name)}{mark}<span>{below}</span></th>'
        f'<td class="bar from-left threshold" aria-hidden="true">{bar}</td>'
        f'<td class="number">{psi}</td></tr>'
    )


def _accuracy(stored: StoredModel, log: PredictionLog | None, truth: Truth | None, texts: Texts) -> str:
    hours = f"{LABELS_SECONDS / 3600:g}"
    if log is None:
        body = f"<p>{texts['live_no_log']}</p>"
    elif truth is None:
        body = f"<p>{texts['live_log_away']}</p>"
    elif not truth.labelled:
        body = f"<p>{texts['live_no_labels'].format(hours)}</p>"
    else:
        low, high = _interval(truth)
        trained = json.loads((stored.path / "metrics.json").read_bytes()).get("accuracy")
        beside_it = [(texts["live_interval"], f"{low:.3f} \u2013 {high:.3f}")]
        if trained is not None:
            beside_it.append((texts["live_trained"], f"{trained:.3f}"))
        body = (
            f'<p class="big">{truth.right / truth.labelled:.3f}</p>'
            f"<p>{texts['live_labels'].format(f'{truth.right:,}', f'{truth.labelled:,}', hours)}</p>{facts(beside_it)}"
        )
    return f'<div class="card"><h2>{texts["live_accuracy"]}</h2>{body}</div>'


def _interval(truth: Truth) -> tuple[float, float]:
    """Return where the accuracy lies with 95 % confidence (Wilson, 1927), which is honest about few labels."""
    n, share, z = truth.labelled, truth.right / truth.labelled, 1.96
    middle, spread = share + z * z / (2 * n), z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - spread) / (1 + z * z / n), (middle + spread) / (1 + z * z / n)


def _report(report: Report | None, folder: Path, texts: Texts) -> str:
    if report is None:
        words = (f"<code>{escape(str(folder))}</code>", "<code>make monitor</code>")
        body = f"<p>{texts['live_no_report'].format(*words)}</p>"
    else:
        made = datetime.fromtimestamp(report.time, UTC)
        files = "".join(f"<li><code>{escape(str(file))}</code></li>" for file in report.files)
        rows = texts["live_report_rows"].format(f"{report.rows:,}", f"{report.labelled:,}")
        body = (
            f'<p class="big"><time datetime="{made.isoformat()}">{made:%Y-%m-%d %H:%M} UTC</time></p>'
            f'<p>{rows}</p><ul class="files">{files}</ul>'
        )
    return f'<div class="card"><h2>{texts["live_report"]}</h2>{body}</div>'


def _distributions(columns: list[Column], n: int, reference_rows: int, texts: Texts) -> str:
    live_rows = texts["live_of_live"].format(f"{n:,}")
    trained = texts["live_of_training"].format(f"{reference_rows:,}")
    plots = "".join(
        f"<figure><figcaption>{escape(each.name)}</figcaption>"
        f"{beside(each.counts, each.bins.ratios, each.ticks, each.label, texts['live_share'])}</figure>"
        for each in columns
    )
    return (
        f'<div class="card"><h2 id="distributions">{texts["live_distributions"]}</h2><p>{texts["live_bins"]}</p>'
        f'<ul class="legend"><li><i class="live"></i>{live_rows}</li><li><i class="trained"></i>{trained}</li></ul>'
        f'<div class="plots">{plots}</div></div>'
    )
