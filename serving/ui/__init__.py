"""The page at /ui. Nothing here imports Gradio before somebody opens it."""

from serving.ui.mount import label, make_ui, rule

__all__ = ["label", "make_ui", "rule"]
