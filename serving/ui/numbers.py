"""What the live tab tells: counts of all workers of this host, true labels from the log, the monitor's last report."""

import asyncio
import json
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from bentoml._internal.configuration.containers import BentoMLContainer

from serving.log_url import LogError
from serving.metrics import bin_labels
from serving.prediction_log import PredictionLog
from serving.schema import CLASSES, FEATURES
from serving.store import StoredModel

LABELS_SECONDS = 86400.0
_LOG_SECONDS = 5.0
# One look at a time in each worker: many visitors must not take the threads and the connections of others.
_thread = ThreadPoolExecutor(1, "live")


class Counts(NamedTuple):
    """What happened since the service started. All but the requests is of the model that answers now.

    requests: without the page's own.  failed: of these, with a status of 500 or more.  labels: rows answered, by class.
    bins: of each feature's reference bins, then of the bins of the last class's probability.
    """

    requests: int
    failed: int
    labels: list[int]
    outliers: int
    bins: list[list[int]]


class Truth(NamedTuple):
    """Predictions of the last `LABELS_SECONDS` whose true label is known, and how many of them were right."""

    labelled: int
    right: int


class Report(NamedTuple):
    """The monitor's newest report: when it was made (seconds since 1970), of how many rows, its pages."""

    time: float
    rows: int
    labelled: int
    files: list[Path]


async def count(stored: StoredModel) -> Counts:
    """Add up what every worker of this host has counted, also those that died."""
    return await asyncio.get_running_loop().run_in_executor(_thread, _count, stored)


async def ask_log(log: PredictionLog, model: str) -> Truth | None:
    """Ask for the true labels; None if the log cannot be asked now."""
    if not log.store.ready:
        return None
    since = time.time() - LABELS_SECONDS
    asked = asyncio.get_running_loop().run_in_executor(_thread, log.store.labelled, model, since)
    try:
        async with asyncio.timeout(_LOG_SECONDS):
            return Truth(*await asked)
    except (LogError, TimeoutError):
        return None


def last_report(folder: Path) -> Report | None:
    """Return the newest report that the monitor has left in its folder, if any."""
    for file in sorted(folder.glob("*Z.json"), reverse=True):
        try:
            about = json.loads(file.read_bytes())
            pages = [folder / f"{file.stem}-{kind}.html" for kind in about["kinds"]]
            return Report(float(about["time"]), int(about["rows"]), int(about["labelled"]), pages)
        except (OSError, ValueError, KeyError, TypeError):
            # Half of it is there, or the monitor is just removing it.
            continue
    return None


def _count(stored: StoredModel) -> Counts:
    client: Any = BentoMLContainer.metrics_client.get()
    requests = f"{BentoMLContainer.api_server_config.metrics.namespace.get()}_request_total"
    kept = (requests, "model_predictions_total", "model_outliers_total", "model_feature_bin_total")
    wanted = tuple(f"{name}{{" for name in (*kept, "model_probability_bin_total"))
    lines = [line for line in client.generate_latest().decode().splitlines() if line.startswith(wanted)]
    # By the name of a metric and the values of the labels that matter.
    sums: dict[tuple[str, ...], float] = defaultdict(float)
    for family in client.prometheus_client.parser.text_string_to_metric_families("\n".join([*lines, ""])):
        for name, labels, value, *_ in family.samples:
            if name == requests:
                if not labels["endpoint"].startswith("/ui"):
                    sums[name, "failed" if labels["http_response_code"] >= "500" else "answered"] += value
            elif labels["model"] == stored.tag:
                sums[name, *(labels[key] for key in ("label", "feature", "bin") if key in labels)] += value

    def number(*key: str) -> int:
        return int(sums.get(key, 0))

    reference = stored.reference
    features = [
        [number("model_feature_bin_total", feature.name, label) for label in bin_labels(feature, bins)]
        for feature, bins in ((feature, reference.features[feature.name]) for feature in FEATURES)
    ]
    failed = number(requests, "failed")
    return Counts(
        requests=number(requests, "answered") + failed,
        failed=failed,
        labels=[number("model_predictions_total", label) for label in CLASSES],
        outliers=number("model_outliers_total"),
        bins=[*features, [number("model_probability_bin_total", label) for label in reference.probability.labels]],
    )
