"""The page at /ui. Nothing here imports Gradio before somebody opens it."""

from serving.ui.mount import UiError, label, make_ui, require_gradio, rule

__all__ = ["UiError", "label", "make_ui", "require_gradio", "rule"]
