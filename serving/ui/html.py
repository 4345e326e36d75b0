"""Small pieces of HTML and SVG. Colours are CSS variables, so that every plot follows the page from light to dark."""

from collections.abc import Iterable, Sequence
from html import escape

import numpy as np

from serving.model import Floats

# As many as ui.css has: the hues of Okabe and Ito, which colour-blind readers can tell apart.
_HUES = 6
_WIDTH, _HEIGHT = 320, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 8, 8, 36


def class_colour(k: int) -> str:
    """Return the colour of class k as a CSS value."""
    return f"var(--class-{k % _HUES})"


def legend(labels: Iterable[str]) -> str:
    """Return a list that gives each class its colour."""
    items = "".join(
        f'<li><i style="background:{class_colour(k)}"></i>{escape(label)}</li>' for k, label in enumerate(labels)
    )
    return f'<ul class="legend">{items}</ul>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return pairs of a name and a value, as plain text, as a description list."""
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)
    return f'<dl class="facts">{items}</dl>'


def share_bar(shares: Sequence[float], description: str) -> str:
    """Return one bar, divided among the classes by their shares, which sum to 1."""
    parts = "".join(
        f'<i style="flex-grow:{share:.6f};background:{class_colour(k)}"></i>' for k, share in enumerate(shares)
    )
    return f'<div class="share" role="img" aria-label="{escape(description)}">{parts}</div>'


def shares(of: Iterable[tuple[str, float]]) -> str:
    """Return a table with a bar for each class: (label, share from 0 to 1), in the order of the classes."""
    rows = "".join(
        f'<tr><th scope="row">{escape(label)}</th><td class="bar from-left" aria-hidden="true">'
        f'<i style="left:0;width:{100 * share:.2f}%;background:{class_colour(k)}"></i></td>'
        f'<td class="number">{100 * share:.1f}\u202f%</td></tr>'
        for k, (label, share) in enumerate(of)
    )
    return f'<table class="bars">{rows}</table>'


def curves(x: Floats, curves_y: Sequence[Floats], x_label: str, y_label: str, title: str) -> str:
    """Return a line chart as SVG: one curve for each class.

    Args:
        x: [n], increasing.
        curves_y: [n] for each class, not negative.
    """
    top = max(float(y.max()) for y in curves_y) or 1.0
    low, high = float(x[0]), float(x[-1])
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def across(values: Floats) -> Floats:
        return _LEFT + (values - low) / (high - low) * (right - _LEFT)

    def up(values: Floats) -> Floats:
        return bottom - values / top * (bottom - _TOP)

    lines = []
    for k, y in enumerate(curves_y):
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(across(x), up(y), strict=True))
        colour = class_colour(k)
        dashes = f' stroke-dasharray="{5 * k} {2 * k}"' if k else ""
        lines.append(
            f'<polygon points="{_LEFT},{bottom} {points} {right},{bottom}" fill="{colour}" fill-opacity=".14"/>'
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
        )
    ticks, scale = _ticks(low, high, 5), _ticks(0, top, 3)
    below = "".join(
        f'<text x="{at:.1f}" y="{bottom + 14}" text-anchor="middle">{tick:g}</text>'
        for tick, at in zip(ticks, across(np.array(ticks)), strict=True)
    )
    beside = "".join(
        f'<text x="{_LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{tick:g}</text>'
        f'<line x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>'
        for tick, at in zip(scale, up(np.array(scale)), strict=True)
    )
    return (
        f'<p class="axis above">{escape(y_label)}</p>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">{beside}{"".join(lines)}{below}'
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text></svg>'
    )


def beside(live: Sequence[int], trained: Sequence[float], ticks: Sequence[str], x_label: str, y_label: str) -> str:
    """Return a bar chart as SVG: the live rows' share of each bin, dark bars in front of the training rows' pale ones.

    Args:
        live: k counts.
        trained: k shares.
        ticks: what stands below: k names of the bins, or k - 1 edges between them.
    """
    rows = max(1, sum(live))
    top = max(*trained, *(each / rows for each in live)) or 1.0
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    width = (right - _LEFT) / len(trained)
    bars, told = [], []
    for i, (n, share) in enumerate(zip(live, trained, strict=True)):
        rects = []
        for value, kind, part in ((share, "trained", min(0.88 * width, 90)), (n / rows, "live", min(0.46 * width, 48))):
            x, height = _LEFT + (i + 0.5) * width - part / 2, value / top * (bottom - _TOP)
            rects.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{bottom - height:.1f}" width="{part:.1f}" height="{height:.1f}"/>'
            )
        told.append(f"{100 * n / rows:.1f}\u202f% ({100 * share:.1f}\u202f%)")
        bars.append(f"<g><title>{told[-1]}</title>{''.join(rects)}</g>")
    first = 0.5 if len(ticks) == len(trained) else 1.0
    # As many as have room.
    every = int(np.ceil((7 * max(map(len, ticks), default=1) + 4) / width))
    below = "".join(
        f'<text x="{_LEFT + (i + first) * width:.1f}" y="{bottom + 14}" text-anchor="middle">{escape(tick)}</text>'
        for i, tick in enumerate(ticks)
        if i % every == 0
    )
    scale = "".join(
        f'<text x="{_LEFT - 5}" y="{at + 4:.1f}" text-anchor="end">{100 * tick:g}</text>'
        f'<line x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}" class="grid"/>'
        for tick, at in ((tick, bottom - tick / top * (bottom - _TOP)) for tick in _ticks(0, top, 3))
    )
    return (
        f'<p class="axis above">{escape(y_label)}</p><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(x_label)}: {", ".join(told)}">{scale}{"".join(bars)}{below}'
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(x_label)}</text></svg>'
    )


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values from low to high."""
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = float(power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough))
    first = np.ceil(low / step - 1e-9)
    return [round(float(i) * step, 10) + 0.0 for i in np.arange(first, np.floor(high / step + 1e-9) + 1)]
