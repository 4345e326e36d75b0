"""Sends a running service rows as in training, then shifted ones: python -m monitoring.demo http://localhost:3000.

A line a second shows the drift of the rows it sent, by the rule that the alerts use, so it needs no Prometheus; with
one, the alert arrives a minute or so later.
"""

import argparse
import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np

from monitoring.reference import load
from monitoring.settings import MonitorError, Settings
from serving import store
from serving.model import Floats
from serving.reference import Bins
from serving.schema import FEATURES, NAMES, Number

_ROWS = 200  # a second
_WINDOW = 15  # seconds


def post(url: str, values: Floats) -> None:
    """Ask for predictions of rows, float64 [n, d]."""
    body = json.dumps({"rows": [dict(zip(NAMES, row, strict=True)) for row in values.tolist()]}).encode()
    request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the user names the address
        answer.read()


def index(values: Floats, bins: Bins) -> float:
    """Return the population stability index of values, float64 [n], against the reference."""
    rows = np.maximum(bins.count(values), 0.5)
    shares, ratios = rows / rows.sum(), np.array(bins.ratios)
    return float(((shares - ratios) * np.log(shares / ratios)).sum())


def shifted(rows: Floats, column: int, by: float) -> Floats:
    """Return a copy with one number moved, kept plausible."""
    feature = FEATURES[column]
    moved = rows.copy()
    moved[:, column] = (moved[:, column] + by).clip(feature.low, feature.high)
    return moved


def send(url: str, seconds: int, rows: Floats, stored: store.StoredModel, what: str) -> None:
    """Send rows drawn from `rows`, [n, d], for some seconds, and print what has drifted in the last ones."""
    random = np.random.default_rng()
    sent: list[Floats] = []
    for second in range(seconds):
        began = time.monotonic()
        sent.append(random.choice(rows, _ROWS))
        post(url, sent[-1])
        window = np.concatenate(sent[-_WINDOW:])
        drifted = []
        for column, (name, bins) in zip(window.T, stored.reference.features.items(), strict=True):
            found = index(column, bins)
            limit = max(bins.floor, (1 / len(window) + 1 / stored.reference.rows) * bins.chi2)
            if found > limit:
                drifted.append(f"{name} PSI {found:.3f} over {limit:.3f}")
        sys.stdout.write(f"{what} {second + 1:3} s: {', '.join(drifted) or 'no drift'}\n")
        sys.stdout.flush()
        time.sleep(max(0.0, 1 - (time.monotonic() - began)))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.demo", description=__doc__)
    parser.add_argument("url", help="address of the service")
    parser.add_argument("--seconds", type=int, default=120, help="of ordinary and of shifted traffic each")
    given = parser.parse_args(arguments)
    try:
        settings = Settings.from_environment()
        stored = store.load(settings.model_tag)
        rows = load(settings.model_tag, Path(settings.monitor_dataset)).rows[list(NAMES)].to_numpy()
        column = next(i for i, feature in enumerate(FEATURES) if isinstance(feature, Number))
        by = float(rows[:, column].std()) / 2
        send(given.url, given.seconds, rows, stored, "ordinary")
        send(given.url, given.seconds, shifted(rows, column, by), stored, f"{NAMES[column]} + {by:.2f}")
        send(given.url, given.seconds, rows, stored, "ordinary again")
    except (MonitorError, store.ModelError) as error:
        sys.exit(f"error: {error}")
    except urllib.error.HTTPError as error:
        sys.exit(f"error: {given.url} answered {error.code}: {error.read().decode(errors='replace')[:200]}")
    except OSError as error:
        sys.exit(f"error: {given.url} does not answer ({error}): start it with `make serve`")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv[1:])
