"""`python -m training`, which is `make train`: run the pipeline and say what came out and what to do next."""

import argparse
import json
import sys
from pathlib import Path

from training.stage import TrainingError, say

ROOT = Path(__file__).resolve().parents[1]


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m training", description="Train a model and put it into the BentoML store."
    )
    parser.add_argument("--data", type=Path, metavar="CSV", help="train on this file instead of params.yaml's source")
    parser.add_argument("--if-missing", action="store_true", help="do nothing if the store has a model to serve")
    return parser.parse_args(arguments)


def _summary(root: Path) -> str:
    from serving import store

    model = store.load()
    metrics = json.loads((model.path / "metrics.json").read_bytes())
    return f"""
{model.tag}
  out of fold, {metrics["rows"]:,} rows: accuracy {metrics["accuracy"]:.4f}, log-loss {metrics["log_loss"]:.4f}
  card   {model.path / "card.md"}
  plots  {root / "reports/figures"}
Next: `make serve` serves it, `make mlflow` shows the sweep."""


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Run the command line.

    Raises:
        SystemExit: with one sentence on a known error.
    """
    asked = _arguments(arguments)
    try:
        if asked.if_missing:
            from training.bootstrap import ensure_model

            if ensure_model(root):
                return
        from training.pipeline import train

        train(root, asked.data.expanduser().resolve() if asked.data else None)
    except TrainingError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        say("interrupted: no tracked file was changed")
        sys.exit(130)
    say(_summary(root))


if __name__ == "__main__":
    main()
