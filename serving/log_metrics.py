"""How the prediction log says that it keeps up."""

from functools import cache
from types import SimpleNamespace


@cache
def log_metrics() -> SimpleNamespace:
    """Return `dropped`, a counter, and `pending`, a gauge."""
    # As in serving/metrics.py: not before BentoML has set PROMETHEUS_MULTIPROC_DIR.
    from prometheus_client import Counter, Gauge

    return SimpleNamespace(
        dropped=Counter("prediction_log_dropped", "Predictions that the log could not take"),
        pending=Gauge("prediction_log_pending", "Predictions that wait to be written", multiprocess_mode="livesum"),
    )
