"""The form and the other tabs, built by Gradio from the schema. Imported at the first visit only: Gradio is heavy.

Every callback is stateless and outside Gradio's queue, which lives in one process: any worker may answer.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from serving.predictor import Predictor
from serving.schema import CLASSES, FEATURES, NAMES, Feature, Flag
from serving.ui.about import about, card
from serving.ui.answer import answer
from serving.ui.examples import EXAMPLES
from serving.ui.live import live
from serving.ui.texts import TEXTS, texts

I18N = gr.I18n(**{language: dict(of) for language, of in TEXTS.items()})
# The language is the page's: JavaScript puts it in the place of the last input, a component that nobody sees.
_WITH_LANGUAGE = "(...inputs) => [...inputs.slice(0, -1), window.page.language]"
_LANGUAGE = "() => [window.page.language]"
_QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}


def build(predictor: Callable[[], Predictor], reports: Path) -> gr.Blocks:
    """Lay out the page.

    Args:
        predictor: returns the worker's; asked at every call, because the model behind it may be swapped.
        reports: folder of the monitor's.
    """

    async def asked(*inputs: Any) -> tuple[str, str]:
        *values, language = inputs
        return answer(predictor(), _row(values), texts(language), asked=True)

    async def opened(*inputs: Any) -> tuple[str, str]:
        *values, language = inputs
        return answer(predictor(), _row(values), texts(language), asked=False)

    async def described(language: str) -> tuple[str, str]:
        stored = predictor().stored
        return about(stored, texts(language)), card(stored, texts(language))

    async def looked(language: str) -> str:
        return await live(predictor(), reports, texts(language))

    blocks = gr.Blocks(title=TEXTS["en"]["title"], analytics_enabled=False)
    with blocks:
        with gr.Tabs():
            with gr.Tab(I18N("tabs_predict"), id="predict"), gr.Row(elem_classes="predict"):
                with gr.Column(elem_classes="inputs"):
                    inputs = [_component(feature) for feature in FEATURES]
                    gr.Markdown(I18N("examples"), elem_classes="hint")
                    with gr.Row(elem_classes="examples"):
                        for key, example in EXAMPLES.items():
                            button = gr.Button(I18N(f"example_{key}"), size="md")
                            # JavaScript alone: the values are known, and setting them asks the server by itself.
                            button.click(None, None, inputs, js=f"() => {_for_javascript(example)}")
                result = [_html(elem_classes="verdict"), _html(elem_classes="why")]
            with gr.Tab(I18N("tabs_rows"), id="rows"):
                _html("<many-rows></many-rows>")
            with gr.Tab(I18N("tabs_model"), id="model") as model:
                description = _html(elem_id="about")
                with gr.Accordion(I18N("model_card"), open=False):
                    model_card = _html()
            with gr.Tab(I18N("tabs_live"), id="live") as now:
                with gr.Row(elem_classes="refresh"):
                    # page.js presses the button while this is ticked and the tab is in sight.
                    gr.Checkbox(True, label=I18N("live_auto"), elem_id="auto")
                    refresh = gr.Button(I18N("live_refresh"), size="md", elem_id="refresh")
                state = _html(elem_id="live")
        language = gr.Textbox(visible=False)
        gr.on(
            [each.change for each in inputs],
            asked,
            [*inputs, language],
            result,
            js=_WITH_LANGUAGE,
            # While an answer is under way the last change waits and those between are dropped.
            trigger_mode="always_last",
            preprocess=False,
            **_QUIET,
        )
        blocks.load(opened, [*inputs, language], result, js=_WITH_LANGUAGE, preprocess=False, **_QUIET)
        model.select(described, language, [description, model_card], js=_LANGUAGE, **_QUIET)
        gr.on([now.select, refresh.click], looked, language, state, js=_LANGUAGE, **_QUIET)
    return blocks


# In our own style alone.
_html = partial(gr.HTML, apply_default_css=False, padding=False)


def _component(feature: Feature) -> gr.Checkbox | gr.Slider:
    label = I18N(f"label_{feature.name}")
    value = EXAMPLES[CLASSES[-1]][feature.name]
    if isinstance(feature, Flag):
        return gr.Checkbox(bool(value), label=label, elem_id=feature.name)
    info = I18N(f"info_{feature.name}")
    return gr.Slider(
        feature.low, feature.high, value, step=feature.step, label=label, info=info, elem_id=feature.name, buttons=[]
    )


def _row(values: list[Any]) -> dict[str, Any]:
    """Name the values of the form as the API takes them: its flags are true or false."""
    return {name: int(value) if isinstance(value, bool) else value for name, value in zip(NAMES, values, strict=True)}


def _for_javascript(example: dict[str, float]) -> str:
    values = [str(bool(example[f.name])).lower() if isinstance(f, Flag) else f"{example[f.name]:g}" for f in FEATURES]
    return f"[{', '.join(values)}]"
