"""What the two dashboards show: rows of graphs, each with its expressions. Every feature of the schema gets its row."""

from dataclasses import dataclass

from serving.schema import FEATURES

_RATE = "$__rate_interval"
# Of the model that answers, not of the one before.
_CURRENT = "and on (model) max by (model) (model_info == 1)"
_REQUESTS = "bentoml_service_request_total"
_SECONDS = "bentoml_service_request_duration_seconds_bucket"
_CALLS = '{endpoint=~"/predict.*|/explain|/feedback|/v2.*|/inference.*"}'
_WINDOWS = ("5m", "1h", "1d")


@dataclass(frozen=True)
class Panel:
    """One graph: lines as {legend: expression}, a sentence about it, Grafana's unit, width in 24ths."""

    title: str
    lines: dict[str, str]
    about: str = ""
    unit: str = "short"
    width: int = 12


Rows = dict[str, tuple[Panel, ...]]


def _per_second(metric: str, by: str = "", where: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{where}[{_RATE}]))"


def _lately(metric: str, by: str = "") -> str:
    return f"sum{f' by ({by})' if by else ''} (increase({metric}[{_RATE}]))"


def _quantiles(metric: str, where: str = "") -> dict[str, str]:
    rate = _per_second(metric, "le", where)
    return {f"p{percent}": f"histogram_quantile(0.{percent}, {rate})" for percent in (50, 90, 99)}


SERVICE: Rows = {
    "Requests": (
        Panel("Requests per second", {"{{endpoint}}": _per_second(_REQUESTS, "endpoint")}, unit="reqps"),
        Panel(
            "Answers other than 2xx, per second",
            {
                "{{http_response_code}}": _per_second(_REQUESTS, "http_response_code", '{http_response_code!~"2.."}')
                + " or vector(0)"
            },
            "400 is a client's mistake, 429 a full service, 5xx ours. HighErrorRate alerts at 1 % of 5xx.",
            "reqps",
        ),
        Panel("Duration", _quantiles(_SECONDS, _CALLS), "HighLatency alerts when p99 stays over a second.", "s"),
        Panel(
            "In flight, and places",
            {"in flight": "sum(bentoml_service_request_in_progress)", "places": "sum(service_places)"},
            "Places are MAX_CONCURRENCY times the workers. Saturated alerts at 80 %.",
        ),
    ),
    "Scoring": (
        Panel("Predictions per second", {"{{protocol}}": _per_second("model_predictions_total", "protocol")}),
        Panel("Time to score one call", _quantiles("model_prediction_seconds_bucket"), unit="s"),
    ),
    "Around it": (
        Panel("Up", {"{{job}} {{instance}}": "up"}, "1 answers Prometheus, 0 does not."),
        Panel(
            "Prediction log",
            {"waiting": "sum(prediction_log_pending)", "lost": _lately("prediction_log_dropped_total")},
            "Rows that wait for the database, and rows that did not fit: PredictionLogDropping alerts on these.",
        ),
        Panel("Failed swaps", {"{{model}}": _lately("model_swap_failures_total", "model")}),
        Panel("Age of the newest report", {"age": "monitor_report_age_seconds"}, "-1 is none yet.", "s"),
    ),
}


def _drift(of: str, at: str = "") -> Panel:
    return Panel(
        "Drift",
        {
            **{f"PSI {window}": f"model:{of}:psi{window}{at} {_CURRENT}" for window in _WINDOWS},
            "threshold 5m": f"model:{of}:psi_threshold5m{at} {_CURRENT}",
        },
        "The population stability index against the training rows. Above the threshold, on 500 rows, it alerts.",
    )


def _shares(of: str, at: str = "") -> Panel:
    return Panel(
        "Share of each bin, live and at training",
        {
            "{{bin}}": f"model:{of}_bin:share5m{at} {_CURRENT}",
            "{{bin}} training": f"max by (model, bin) (model_{of}_bin_reference_ratio{at}) {_CURRENT}",
        },
        unit="percentunit",
    )


def _feature(name: str) -> tuple[Panel, ...]:
    at = f'{{feature="{name}"}}'
    return _drift("feature", at), _shares("feature", at)


_ALL = _per_second("model_predictions_total")

MODEL: Rows = {
    "The model": (
        Panel("Answers", {"{{model}}": "model_info"}, "1 for the model that answers; a step is a promotion.", width=6),
        Panel(
            "Values refused as implausible, per second",
            {"{{feature}}": _per_second("model_implausible_total", "feature")},
            width=6,
        ),
        Panel(
            "Share of each label",
            {"{{label}}": f"{_per_second('model_predictions_total', 'label')} / ignoring (label) group_left {_ALL}"},
            unit="percentunit",
            width=6,
        ),
        Panel(
            "Share of outliers",
            {"outliers": f"{_per_second('model_outliers_total')} / {_ALL}"},
            "0.5 % of the training rows are. OutlierShare alerts above 3 %.",
            "percentunit",
            6,
        ),
    ),
    "Quality, as far as labels are known": (
        Panel(
            "Live accuracy",
            {"{{window}}": "monitor_accuracy", "expected {{window}}": "monitor_expected_accuracy"},
            "LiveAccuracyLow alerts when it is significantly below what training expects.",
            "percentunit",
            8,
        ),
        Panel(
            "Brier score and calibration error",
            {"Brier {{window}}": "monitor_brier", "calibration error {{window}}": "monitor_calibration_error"},
            width=8,
        ),
        Panel("Labelled share", {"{{window}}": "monitor_label_coverage"}, unit="percentunit", width=8),
    ),
    "The probability": (_drift("probability"), _shares("probability")),
    **{feature.name: _feature(feature.name) for feature in FEATURES},
    "Outside the range of the training rows": (
        Panel("Share of the rows", {"{{feature}} {{window}}": "monitor_out_of_range_share"}, "", "percentunit", 24),
    ),
}
