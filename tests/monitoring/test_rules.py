"""Every rule, by promtool; the numbers that it must find come from numpy."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from scipy.stats import chi2

from serving.reference import Bins
from tests.monitoring.promtool import (
    PROMETHEUS,
    RULES,
    STEPS,
    Firing,
    alert_test,
    gauge,
    promtool,
    rules,
    run,
    series,
    steady,
    value_test,
)
from tests.monitoring.psi import psi, threshold

pytestmark = pytest.mark.slow

REFERENCE_ROWS = 4000
TEN = Bins(tuple(range(1, 10)), (0.05, 0.15, *[0.1] * 8), float(chi2.ppf(1 - 1e-5, 9)), 0.1)
TWO = Bins((0.5,), (0.3, 0.7), float(chi2.ppf(1 - 1e-5, 1)), 0.02)
FEATURES = {"length": TEN, "flag": TWO}
Counts = NDArray[np.float64]


def as_reference(bins: Bins, n: int) -> Counts:
    """Return counts that add up to n and are as the reference, nearly: whole rows at each of STEPS samples."""
    return np.round(np.array(bins.ratios) * n / STEPS) * STEPS


def with_psi(bins: Bins, n: int, least: float) -> Counts:
    """Return counts of n rows whose index is the first above `least` when rows move from the first bins to the last."""
    counts = as_reference(bins, n)
    while psi(counts, np.array(bins.ratios)) <= least:
        source = int(np.flatnonzero(counts[:-1])[0])
        counts[source] -= STEPS
        counts[-1] += STEPS
    return counts


def reference(model: str, features: dict[str, Bins]) -> list[dict[str, str]]:
    """Return the gauges of a model, scraped from two replicas."""
    found = []
    for replica in ("a", "b"):
        common = {"model": model, "instance": replica}
        found.append(gauge("model_reference_rows", REFERENCE_ROWS, **common))
        found += [gauge("model_probability_psi_chi2", TEN.chi2, **common)]
        found += [gauge("model_probability_psi_floor", TEN.floor, **common)]
        for i, ratio in enumerate(TEN.ratios):
            found.append(gauge("model_probability_bin_reference_ratio", ratio, bin=str(i), **common))
        for name, bins in features.items():
            found.append(gauge("model_feature_psi_chi2", bins.chi2, feature=name, **common))
            found.append(gauge("model_feature_psi_floor", bins.floor, feature=name, **common))
            for i, ratio in enumerate(bins.ratios):
                found.append(gauge("model_feature_bin_reference_ratio", ratio, feature=name, bin=str(i), **common))
    return found


def counted(metric: str, counts: Counts, **labels: str) -> list[dict[str, str]]:
    """Return counters that grow by `counts` in a window, a quarter at one replica, the rest at another."""
    return [
        steady(metric, count * share / STEPS, bin=str(i), instance=replica, **labels)
        for i, count in enumerate(counts.tolist())
        for replica, share in (("a", 0.25), ("b", 0.75))
    ]


def live(model: str, counts: dict[str, Counts]) -> list[dict[str, str]]:
    return [
        one
        for name, each in counts.items()
        for one in counted("model_feature_bin_total", each, model=model, feature=name)
    ]


def fires(feature: str, counts: Counts, bins: Bins, model: str = "m:1") -> Firing:
    index, limit = float(psi(counts, np.array(bins.ratios))), threshold(counts.sum(), bins, REFERENCE_ROWS)
    labels = {"model": model, **({"feature": feature} if feature else {})}
    return Firing(labels, f"{index:.3f}", [f"{limit:.3f}"])


def test_every_file_is_accepted_and_every_alert_says_what_to_do() -> None:
    subprocess.run([promtool(), "check", "config", PROMETHEUS / "prometheus.yml"], check=True, capture_output=True)
    subprocess.run([promtool(), "check", "rules", *RULES], check=True, capture_output=True)
    alerts = [rule for rule in rules() if "alert" in rule]
    assert {rule["alert"] for rule in alerts} == {
        *("ServiceDown", "HighErrorRate", "HighLatency", "Saturated", "FeatureDrift", "PredictionDrift"),
        *("OutlierShare", "LiveAccuracyLow", "PredictionLogDropping", "SwapFailed", "MonitorStale"),
    }
    for rule in alerts:
        assert set(rule["annotations"]) == {"summary", "look", "do", "resolved"}, rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_the_three_windows_have_the_same_rules() -> None:
    [drift] = [file for file in RULES if file.stem == "drift"]
    groups = yaml.safe_load(drift.read_text())["groups"]
    five, hour, day = (
        [{key: text.replace(window, "W") for key, text in rule.items()} for rule in group["rules"]]
        for window, group in zip(("5m", "1h", "1d"), groups, strict=True)
    )
    assert five == hour == day


@pytest.mark.parametrize("window", ["5m", "1h", "1d"])
def test_the_index_and_its_threshold_are_numpy_s(window: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    expected, inputs = {}, reference("m:1", FEATURES) + reference("m:2", FEATURES)
    for model, n in (("m:1", 600), ("m:2", 20_000)):
        for name, bins in FEATURES.items():
            counts = random.multinomial(n // STEPS, random.dirichlet(np.ones(len(bins.ratios)) * 5)) * float(STEPS)
            if len(counts) > 2:
                counts[0] = 0
            inputs += live(model, {name: np.asarray(counts, dtype=np.float64)})
            at = f'{{model="{model}",feature="{name}"}}'
            expected[f"model:feature:psi{window}{at}"] = float(psi(counts, np.array(bins.ratios)))
            expected[f"model:feature:rows{window}{at}"] = float(counts.sum())
            expected[f"model:feature:psi_threshold{window}{at}"] = threshold(float(counts.sum()), bins, REFERENCE_ROWS)
        inputs += counted("model_probability_bin_total", counts := with_psi(TEN, n, 0.05), model=model)
        at = f'{{model="{model}"}}'
        expected[f"model:probability:psi{window}{at}"] = float(psi(counts, np.array(TEN.ratios)))
        expected[f"model:probability:rows{window}{at}"] = float(counts.sum())
        expected[f"model:probability:psi_threshold{window}{at}"] = threshold(counts.sum(), TEN, REFERENCE_ROWS)
    run([value_test(expected, inputs, window)], tmp_path)


def test_without_traffic_there_is_no_index(tmp_path: Path) -> None:
    inputs = reference("m:1", FEATURES) + live("m:1", {name: np.zeros(len(b.ratios)) for name, b in FEATURES.items()})
    group = value_test({}, inputs, "5m")
    group["promql_expr_test"] = [{"expr": "model:feature:psi5m", "eval_time": "10m", "exp_samples": []}]
    run([group], tmp_path)


def test_feature_drift(tmp_path: Path) -> None:
    good = {name: as_reference(bins, 2000) for name, bins in FEATURES.items()}
    above = with_psi(TEN, 2000, 0.1)
    below = above.copy()
    below[np.flatnonzero(above < as_reference(TEN, 2000))[-1]] += STEPS
    below[-1] -= STEPS
    assert psi(below, np.array(TEN.ratios)) < 0.1 < psi(above, np.array(TEN.ratios))
    # On 500 rows chance decides and not the floor. 240 in 5 minutes are under 500 in the hour so far, too.
    little = with_psi(TWO, 500, threshold(500, TWO, REFERENCE_ROWS))
    few = with_psi(TWO, 240, 0.2)
    drifted = with_psi(TWO, 1000, 0.1)
    base = reference("m:1", FEATURES) + reference("m:2", FEATURES)
    run(
        [
            alert_test("FeatureDrift", base + live("m:1", good)),
            alert_test(
                "FeatureDrift",
                base + live("m:1", good | {"length": above}) + live("m:2", good),
                [fires("length", above, TEN)],
                "5m",
            ),
            alert_test("FeatureDrift", base + live("m:1", good | {"length": below})),
            alert_test("FeatureDrift", base + live("m:1", {"flag": little}), [fires("flag", little, TWO)], "5m"),
            alert_test("FeatureDrift", base + live("m:1", {"flag": few})),
            # During a swap each model is judged by its own rows.
            alert_test(
                "FeatureDrift",
                base + live("m:1", good) + live("m:2", {"flag": drifted}),
                [fires("flag", drifted, TWO, "m:2")],
                "5m",
            ),
            # Too slow for the shortest window: the hour or the day decides.
            alert_test(
                "FeatureDrift", base + live("m:1", {"flag": drifted}), [fires("flag", drifted, TWO)], "1h", span="1h"
            ),
            alert_test(
                "FeatureDrift", base + live("m:1", {"flag": drifted}), [fires("flag", drifted, TWO)], "1d", span="1d"
            ),
        ],
        tmp_path,
    )


def test_a_longer_window_is_silent_where_a_shorter_one_can_judge(tmp_path: Path) -> None:
    # Drifted for 40 minutes, then 20 minutes as the reference: the hour still shows it, the 5 minutes do not.
    good, bad = as_reference(TWO, 2000) / STEPS, with_psi(TWO, 2000, 0.3) / STEPS
    inputs = reference("m:1", FEATURES)
    for i in range(2):
        values = f"0+{bad[i]}x160 {160 * bad[i] + good[i]}+{good[i]}x80"
        inputs.append(series("model_feature_bin_total", values, model="m:1", feature="flag", bin=str(i), instance="a"))
    inputs = [each | {"values": each["values"].replace(f"x{4 * STEPS}", "x300")} for each in inputs]
    hour = 160 * bad + 79 * good
    assert psi(hour, np.array(TWO.ratios)) > threshold(hour.sum(), TWO, REFERENCE_ROWS)
    group: dict[str, Any] = alert_test("FeatureDrift", inputs)
    group["alert_rule_test"][0]["eval_time"] = "60m"
    run([group], tmp_path)


def test_prediction_drift(tmp_path: Path) -> None:
    bad, good, few = with_psi(TEN, 1000, 0.1), as_reference(TEN, 1000), with_psi(TEN, 240, 0.2)

    def group(counts: Counts, firing: list[Firing], window: str = "5m") -> dict[str, Any]:
        inputs = reference("m:1", FEATURES) + counted("model_probability_bin_total", counts, model="m:1")
        return alert_test("PredictionDrift", inputs, firing, window, span=window)

    run([group(good, []), group(few, [])], tmp_path)
    run([group(bad, [fires("", bad, TEN)], window) for window in ("5m", "1h", "1d")], tmp_path)


@pytest.mark.parametrize(("outliers", "rows", "alarms"), [(31, 1000, True), (29, 1000, False), (60, 480, False)])
def test_outlier_share(outliers: int, rows: int, alarms: bool, tmp_path: Path) -> None:
    inputs = [
        steady("model_outliers_total", outliers / STEPS, model="m:1", instance="a"),
        steady("model_predictions_total", rows / 2 / STEPS, model="m:1", label="x", instance="a"),
        steady("model_predictions_total", rows / 2 / STEPS, model="m:1", label="y", instance="b"),
    ]
    firing = [Firing({"model": "m:1"}, f"{np.float64(outliers) / rows * 100:.4g}%")] if alarms else []
    run([alert_test("OutlierShare", inputs, firing)], tmp_path)


def accuracy(live_share: float, rows: int, expected: float = 0.95) -> list[dict[str, str]]:
    labels = {"model": "m:1", "window": "1d"}
    return [
        gauge("monitor_accuracy", live_share, instance="i", job="monitor", **labels),
        gauge("monitor_expected_accuracy", expected, instance="i", job="monitor", **labels),
        gauge("monitor_labelled_rows", rows, instance="i", job="monitor", **labels),
    ]


@pytest.mark.parametrize(
    ("share", "rows"),
    [
        (0.9, 10_000),
        (0.95 - 4.01 * float(np.sqrt(0.95 * 0.05 / 200)), 200),
        (0.95 - 3.99 * float(np.sqrt(0.95 * 0.05 / 200)), 200),
        (0.921, 100_000),
        (0.5, 99),
        (0.5, 100),
    ],
)
def test_live_accuracy(share: float, rows: int, tmp_path: Path) -> None:
    low = share < 0.95 - max(0.03, 4 * float(np.sqrt(0.95 * 0.05 / rows))) and rows >= 100
    labels = {"model": "m:1", "window": "1d", "instance": "i", "job": "monitor"}
    firing = Firing(labels, f"{share * 100:.4g}%", ["95%", str(rows)])
    run([alert_test("LiveAccuracyLow", accuracy(share, rows), [firing] if low else [])], tmp_path)


def requests(status: str, every: float, endpoint: str = "/predict", replica: str = "a") -> dict[str, str]:
    labels = {"endpoint": endpoint, "http_response_code": status, "job": "service", "instance": replica}
    return steady("bentoml_service_request_total", every, **labels)


@pytest.mark.parametrize(("failed", "well", "alarms"), [(1, 98, True), (1, 100, False), (0.2, 1, False)])
def test_high_error_rate(failed: float, well: float, alarms: bool, tmp_path: Path) -> None:
    inputs = [requests("503", failed / 2), requests("500", failed / 2, replica="b"), requests("200", well)]
    firing = [Firing({"job": "service"}, f"{failed / (failed + well) * 100:.4g}%")] if alarms else []
    run([alert_test("HighErrorRate", inputs, firing)], tmp_path)


@pytest.mark.parametrize(("slow", "alarms"), [(3, True), (0.5, False)])
def test_high_latency(slow: float, alarms: bool, tmp_path: Path) -> None:
    # All but `slow` percent within 1 s, the rest within 4 s: the quantile lies between the two bounds.
    within = {"1.0": 100 - slow, "4.0": 100, "+Inf": 100}
    labels = {"endpoint": "/predict", "job": "service", "instance": "a", "http_response_code": "200"}
    inputs = [requests("200", 100)]
    inputs += [
        steady("bentoml_service_request_duration_seconds_bucket", n, le=le, **labels) for le, n in within.items()
    ]
    seconds = float(np.interp(99, [100 - slow, 100], [1, 4]))
    firing = [Firing({"job": "service"}, f"{seconds:.4g}s")] if alarms else []
    run([alert_test("HighLatency", inputs, firing)], tmp_path)


def test_saturated(tmp_path: Path) -> None:
    def places(used: float) -> list[dict[str, str]]:
        one = {"job": "service", "instance": "a"}
        return [
            gauge("bentoml_service_request_in_progress", used / 2, endpoint="/predict", **one),
            gauge("bentoml_service_request_in_progress", used / 2, endpoint="/explain", **one),
            gauge("service_places", 512, **one),
            requests("200", 10),
        ]

    refused = [requests("429", 2), requests("200", 98), gauge("service_places", 512, job="service", instance="a")]
    run(
        [
            alert_test("Saturated", refused, [Firing({"job": "service"}, "2%")]),
            alert_test("Saturated", places(0.9 * 512), [Firing({"job": "service"}, f"{0.9 * 100:.4g}%")]),
            alert_test("Saturated", places(0.7 * 512)),
        ],
        tmp_path,
    )


def test_what_is_counted_or_stale(tmp_path: Path) -> None:
    service, monitor = {"job": "service", "instance": "a"}, {"job": "monitor", "instance": "m"}
    dropped, failures = "prediction_log_dropped_total", "model_swap_failures_total"
    fresh = [
        series("monitor_last_run_timestamp_seconds", f"0+15x{4 * STEPS}", **monitor),
        gauge("monitor_interval_seconds", 60, **monitor),
        gauge("up", 1, **monitor),
    ]
    stuck = [gauge("monitor_last_run_timestamp_seconds", 300, **monitor), *fresh[1:]]
    run(
        [
            alert_test("PredictionLogDropping", [steady(dropped, 0.5, **service)], [Firing({"job": "service"}, "10")]),
            alert_test("PredictionLogDropping", [steady(dropped, 0, **service)]),
            alert_test("SwapFailed", [steady(failures, 0, model="m:1")]),
            alert_test("SwapFailed", [steady(failures, 1, model="m:1")], [Firing({"model": "m:1"}, "20")], span="15m"),
            alert_test("ServiceDown", [gauge("up", 1, **service)]),
            alert_test("ServiceDown", [gauge("up", 0, **service)], [Firing(service)]),
            alert_test("ServiceDown", [gauge("up", 1, **monitor)], [Firing({"job": "service"})]),
            alert_test("MonitorStale", fresh),
            alert_test("MonitorStale", stuck, [Firing(monitor)]),
            alert_test("MonitorStale", [*fresh[:2], gauge("up", 0, **monitor)], [Firing(monitor)]),
            alert_test("MonitorStale", [gauge("up", 1, **service)], [Firing({"job": "monitor"})]),
        ],
        tmp_path,
    )
