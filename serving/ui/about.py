"""The model that answers now, as HTML: its scores, what it has learned, where it comes from."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import numpy as np
from markdown_it import MarkdownIt

from serving.model import Floats, Parameters
from serving.schema import CLASSES, FEATURES, Feature, Flag, Number
from serving.store import StoredModel
from serving.ui.html import curves, facts, legend, shares

Texts = Mapping[str, str]
# Scores where less is better; of the others, more is.
_LOWER = {"log_loss", "brier", "calibration_error"}
_POINTS = 121


def about(stored: StoredModel, texts: Texts) -> str:
    """Describe a stored model."""
    metrics = json.loads((stored.path / "metrics.json").read_bytes())
    rows = f"{stored.reference.rows:,}"
    parts = [
        f'<div class="card"><p class="eyebrow">{texts["model_serves"]}</p><h2 class="tag">{escape(stored.tag)}</h2>'
        f"{facts([(texts['model_rows'], rows), *_origin(stored.metadata, texts)])}</div>",
        _scores(metrics, texts),
        f'<div class="card"><h2 id="learned">{texts["model_features"]}</h2>{legend(CLASSES)}'
        f"{_learned(stored.model.parameters, texts)}</div>",
    ]
    return "".join(parts)


def card(stored: StoredModel, texts: Texts) -> str:
    """Return the model card; its headings one level down, as the page has a first one of its own."""
    lines = (stored.path / "card.md").read_text(encoding="utf-8").splitlines()
    markdown = "\n".join(f"#{line}" if line.startswith("#") else line for line in lines)
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    # Its tables may be wider than a phone: a region that scrolls must be one that a keyboard reaches.
    return f'<div id="card" tabindex="0" role="region" aria-label="{texts["model_card"]}" lang="en">{body}</div>'


def _origin(metadata: Mapping[str, Any], texts: Texts) -> Iterator[tuple[str, str]]:
    for name, value in metadata.items():
        if isinstance(value, bool):
            text = texts["yes"] if value else texts["no"]
        elif isinstance(value, dict):
            text = ", ".join(f"{key} {each}" for key, each in value.items())
        else:
            text = str(value)
        yield texts.get(f"origin_{name}", name), text


def _scores(metrics: Mapping[str, Any], texts: Texts) -> str:
    scores = {name: value for name, value in metrics.items() if isinstance(value, float)}
    if not scores:
        return ""
    tiles = "".join(
        f"<div><dt>{escape(texts.get(f'score_{name}', name))}</dt><dd>{value:.3f}</dd>"
        f"<dd class=hint>{texts['model_lower' if name in _LOWER else 'model_higher']}</dd></div>"
        for name, value in scores.items()
    )
    return (
        f'<div class="card"><h2>{texts["model_scores"]}</h2><p>{texts["model_scores_note"]}</p>'
        f'<dl class="tiles">{tiles}</dl>{_recall(metrics.get("recall", {}), texts)}'
        f"{_compared(scores, metrics.get('comparisons', {}), texts)}</div>"
    )


def _recall(recall: Mapping[str, float], texts: Texts) -> str:
    if not recall:
        return ""
    return f"<figure><figcaption>{texts['model_recall']}</figcaption>{shares(recall.items())}</figure>"


def _compared(scores: Mapping[str, float], others: Mapping[str, Mapping[str, float]], texts: Texts) -> str:
    if not others:
        return ""
    head = "".join(f'<th scope="col">{escape(texts.get(f"score_{name}", name))}</th>' for name in scores)
    lines = "".join(
        f'<tr><th scope="row">{escape(name.replace("_", " "))}</th>'
        + "".join(f"<td>{of[score]:.3f}</td>" for score in scores)
        + "</tr>"
        for name, of in {texts["model_this"]: scores, **others}.items()
    )
    return (
        f'<figure><figcaption>{texts["model_compared"]}</figcaption><div class="scroll" tabindex="0" role="region" '
        f'aria-label="{texts["model_compared"]}"><table class="data"><thead><tr><th scope="col">{texts["model_model"]}'
        f"</th>{head}</tr></thead><tbody>{lines}</tbody></table></div></figure>"
    )


def _learned(parameters: Parameters, texts: Texts) -> str:
    """Draw each feature as the model takes it: a normal curve for a measure, the share of 1 for a flag."""
    curve, share = [], []
    for j, feature in enumerate(FEATURES):
        mean, deviation = parameters.mean[:, j], np.sqrt(parameters.var[:, j])
        if isinstance(feature, Flag):
            share.append(_titled(feature, shares(zip(CLASSES, mean.tolist(), strict=True)), texts))
        else:
            curve.append(_titled(feature, _normals(feature, mean, deviation, texts), texts))
    return (
        f'<div class="plots">{"".join(curve)}</div>'
        f'<h3>{texts["model_share"]}</h3><div class="plots flags">{"".join(share)}</div>'
    )


def _titled(feature: Feature, plot: str, texts: Texts) -> str:
    return f"<figure><figcaption>{escape(texts[f'name_{feature.name}'])}</figcaption>{plot}</figure>"


def _normals(feature: Number, mean: Floats, deviation: Floats, texts: Texts) -> str:
    low = max(feature.low, float((mean - 3.5 * deviation).min()))
    high = min(feature.high, float((mean + 3.5 * deviation).max()))
    x = np.linspace(low, high, _POINTS)
    heights = [
        np.exp(-0.5 * ((x - m) / s) ** 2) / (s * np.sqrt(2 * np.pi)) for m, s in zip(mean, deviation, strict=True)
    ]
    density = texts["model_density"].format(feature.unit)
    means = ", ".join(f"{label} {m:.2f} {feature.unit}" for label, m in zip(CLASSES, mean.tolist(), strict=True))
    return curves(x, heights, texts[f"label_{feature.name}"], density, f"{texts[f'name_{feature.name}']}: {means}")
