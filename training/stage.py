"""How a stage script speaks and ends: one sentence for a known error, no traceback."""

import signal
import sys
from collections.abc import Callable


class TrainingError(Exception):
    """Training cannot go on for a reason its user can mend. The message says what and how."""


def say(message: str) -> None:
    """Tell the user something. Standard error, like the progress bar: `make train` silences DVC's standard output."""
    print(message, file=sys.stderr, flush=True)


def run(main: Callable[[], None]) -> None:
    """Run a stage as a script. Exits with 1 and the sentence on a `TrainingError`."""
    # SystemExit unwinds the context managers, so that an MLflow run that is stopped does not stay "running" for ever.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))
    try:
        main()
    except TrainingError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)
