"""The answer about one row, as HTML: label, probabilities, why, and whether the row is unlike the training data."""

from collections.abc import Mapping
from html import escape
from typing import Any

from serving.predictor import Predictions, Predictor
from serving.schema import CLASSES, FEATURES, NAMES, Flag, Row, to_array
from serving.ui.csvfile import refusal
from serving.ui.html import class_colour, facts, legend, share_bar

Texts = Mapping[str, str]


def answer(predictor: Predictor, row: dict[str, Any], texts: Texts, asked: bool) -> tuple[str, str]:
    """Predict and explain one row as it comes from the form.

    Args:
        asked: whether somebody wants to know. The row that the page opens with is nobody's: it is scored, but neither
            counted nor logged, or every visit would look like drift.

    Returns:
        the verdict and the reasons for it; of a row that cannot be predicted what is wrong with it, and nothing.
    """
    reasons, implausible = refusal(row, texts)
    if reasons:
        predictor.refused(implausible)
        items = "".join(f"<li>{escape(reason)}</li>" for reason in reasons)
        notice = f'<div class="notice bad" role="alert"><strong>{texts["not_possible"]}</strong><ul>{items}</ul></div>'
        return f'<div class="card">{notice}</div>', ""
    values = to_array([Row.model_validate(row)])
    if asked:
        [prediction] = predictor.predict(values, "ui").to_dicts()
    else:
        stored = predictor.stored
        [prediction] = Predictions(stored.model.score(values), stored.tag).to_dicts()
        prediction["prediction_id"] = ""
    why = _why(prediction, predictor.explain(values[0]), row, texts)
    if asked and predictor.log is not None and predictor.log.takes(prediction["prediction_id"]):
        why += _question(prediction["prediction_id"], texts)
    return _verdict(prediction, texts), why


def _verdict(prediction: dict[str, Any], texts: Texts) -> str:
    label, shares = prediction["label"], prediction["probabilities"]
    described = ", ".join(f"{name} {_percent(share)}" for name, share in shares.items())
    numbers = "".join(
        f'<li><i style="background:{class_colour(k)}"></i>{escape(name)} <b>{_percent(share)}</b></li>'
        for k, (name, share) in enumerate(shares.items())
    )
    unlike = f'<div class="notice" role="note"><strong>{texts["unlike"]}</strong><p>{texts["unlike_why"]}</p></div>'
    return f"""<div class="card"><p class="eyebrow">{texts["prediction"]}</p>
<p class="call" aria-live="polite" style="--mark:{class_colour(CLASSES.index(label))}">
<span class="label">{escape(label)}</span>
<span class="certainty"><b>{_percent(prediction["probability"])}</b> {texts["probability"]}</span></p>
<figure><figcaption>{texts["probabilities"]}</figcaption>
{share_bar(list(shares.values()), described)}<ul class="legend">{numbers}</ul></figure>
{unlike if prediction["outlier"] else ""}</div>"""


def _why(prediction: dict[str, Any], explanation: dict[str, Any], row: dict[str, Any], texts: Texts) -> str:
    """Return the exact parts of the log-odds, a diverging bar for each, and their sum."""
    parts, prior = explanation["contributions"], explanation["prior"]
    widest = max(1.0, abs(prior), *map(abs, parts.values()))
    bars = [_bar(texts[f"name_{f.name}"], _shown(f.name, row[f.name], texts), parts[f.name], widest) for f in FEATURES]
    towards = legend(texts["towards"].format(label) for label in (CLASSES[0], CLASSES[-1]))
    total = texts["sum"].format(CLASSES[-1], CLASSES[0])
    origin = [(texts["answered_by"], prediction["model"]), (texts["prediction_id"], prediction["prediction_id"])]
    return f"""<div class="card answer"><figure><figcaption id="why">{texts["why"]}</figcaption>{towards}
<table class="bars" aria-labelledby="why"><thead class="unseen"><tr><th scope="col">{texts["feature"]}</th><td></td>
<th scope="col">{texts["contribution"]}</th></tr></thead>
<tbody>{"".join(bars)}{_bar(texts["prior"], "", prior, widest)}</tbody>
<tfoot><tr><th scope="row" colspan="2">{escape(total)}</th>
<td class="number">{_signed(explanation["log_odds"])}</td></tr></tfoot></table>
<p class="axis">{texts["contribution"]}</p></figure>
{facts(pair for pair in origin if pair[1])}</div>"""


def _question(prediction_id: str, texts: Texts) -> str:
    """Return the question what the row really is; page.js sends the answer."""
    buttons = "".join(
        f'<button type="button" class="plain" value="{escape(label)}" aria-pressed="false">{escape(label)}</button>'
        for label in CLASSES
    )
    return (
        f'<div class="card truth" role="group" aria-label="{texts["truth"]}" data-id="{prediction_id}">'
        f'<span>{texts["truth"]}</span>{buttons}<p role="status"></p></div>'
    )


def _bar(name: str, value: str, part: float, widest: float) -> str:
    colour = class_colour(len(CLASSES) - 1 if part > 0 else 0)
    side = "left" if part > 0 else "right"
    bar = f'<i style="{side}:50%;width:{abs(part) / widest * 50:.2f}%;background:{colour}"></i>'
    return (
        f'<tr><th scope="row">{escape(name)}<span>{escape(value)}</span></th>'
        f'<td class="bar" aria-hidden="true">{bar}</td><td class="number">{_signed(part)}</td></tr>'
    )


def _shown(name: str, value: float, texts: Texts) -> str:
    feature = FEATURES[NAMES.index(name)]
    return (texts["yes"] if value else texts["no"]) if isinstance(feature, Flag) else f"{value:g} {feature.unit}"


def _signed(value: float) -> str:
    # A hyphen is shorter than a plus: columns of numbers want the sign for minus.
    return f"{value:+.2f}".replace("-", "\u2212")


def _percent(share: float) -> str:
    # Nothing here is certain, so nothing is rounded to it.
    if share > 0.999:
        return "> 99.9\u202f%"
    return f"{share * 100:.1f}\u202f%" if share >= 0.001 else "< 0.1\u202f%"
