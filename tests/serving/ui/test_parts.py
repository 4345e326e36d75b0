"""The parts of the page that need no browser: texts, examples, the frame around Gradio, plots."""

import re

import numpy as np
import pytest

from serving.schema import CLASSES, FEATURES, NAMES, Row
from serving.ui.examples import EXAMPLES, example_csv
from serving.ui.html import curves
from serving.ui.page import after, before
from serving.ui.texts import LANGUAGES, TEXTS, texts


def test_every_language_says_everything_with_the_same_blanks() -> None:
    english = TEXTS["en"]
    for language in LANGUAGES:
        assert set(TEXTS[language]) == set(english)
        for key, text in TEXTS[language].items():
            assert re.findall(r"\{\w*\}", text) == re.findall(r"\{\w*\}", english[key]), key


def test_every_feature_has_its_texts_and_an_unknown_language_gets_english() -> None:
    for name in NAMES:
        assert {f"name_{name}", f"label_{name}", f"expected_{name}"} <= set(TEXTS["id"])
    assert texts("fr") is texts(None) is TEXTS["en"]


@pytest.mark.parametrize("key", EXAMPLES)
def test_an_example_is_a_row_that_is_served(key: str) -> None:
    assert Row.model_validate(EXAMPLES[key])
    assert f"example_{key}" in TEXTS["en"]


def test_the_example_file_has_the_columns_and_a_line_for_each_example() -> None:
    header, *lines = example_csv().splitlines()
    assert header == ",".join(NAMES)
    assert len(lines) == len(EXAMPLES) == len(CLASSES) + 2


def test_a_front_end_that_changed_is_noticed_when_the_page_is_built() -> None:
    with pytest.raises(RuntimeError, match="must follow Gradio"):
        after("<html></html>")


def test_the_texts_cannot_end_the_script_that_carries_them() -> None:
    page = before(1000)
    data = page.partition("window.page = ")[2].partition(";</script>")[0]
    assert "<" not in data
    assert f'"pieceBytes": {1000}' in data


def test_a_plot_has_a_curve_for_each_class_round_ticks_and_its_labels() -> None:
    x = np.linspace(0, 10, 50)
    plot = curves(x, [np.exp(-((x - k) ** 2)) for k in range(3)], "width (cm)", "density, per cm", "A <title>")
    assert plot.count("<polyline") == 3
    assert ">10<" in plot
    assert "width (cm)" in plot
    assert "density, per cm" in plot
    assert "A &lt;title&gt;" in plot
    assert "nan" not in plot


def test_a_flat_line_is_drawn_too() -> None:
    x = np.linspace(FEATURES[1].low, FEATURES[1].high, 5)
    assert "nan" not in curves(x, [np.zeros(5)], "", "", "")
