"""Writes the two Grafana dashboards: python -m monitoring.dashboards. A test compares the committed files with this."""

import json
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, prometheus, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from monitoring.panels import MODEL, SERVICE, Panel, Rows

FOLDER = Path(__file__).parent / "grafana" / "dashboards"
_SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
# A model that answers now and did not a minute ago.
_PROMOTION = "max by (model) (model_info) == 1 unless on (model) max by (model) (model_info offset 1m) == 1"


def build(title: str, rows: Rows) -> str:
    """Return a dashboard as the JSON that Grafana provisions."""
    promotions = dashboard.AnnotationQuery().name("promotions").datasource(_SOURCE).enable(True).expr(_PROMOTION)
    board = (
        dashboard.Dashboard(title)
        .uid(title.lower())
        .tags(["bentoml"])
        .refresh("30s")
        .time("now-3h", "now")
        .annotation(promotions.icon_color("purple"))
    )
    for name, panels in rows.items():
        board = board.with_row(dashboard.Row(name))
        for panel in panels:
            board = board.with_panel(_graph(panel))
    text = json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False)
    return f"{text}\n"


def _graph(panel: Panel) -> timeseries.Panel:
    graph = timeseries.Panel().title(panel.title).datasource(_SOURCE).unit(panel.unit).height(8).span(panel.width)
    if panel.about:
        graph = graph.description(panel.about)
    for letter, (legend, expression) in zip("ABCDEFGH", panel.lines.items(), strict=False):
        graph = graph.with_target(prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(legend))
    return graph


def dashboards() -> dict[str, str]:
    """Return the text of each file in `FOLDER`, by its name."""
    return {"service.json": build("Service", SERVICE), "model.json": build("Model", MODEL)}


if __name__ == "__main__":
    for file, content in dashboards().items():
        (FOLDER / file).write_text(content, encoding="utf-8")
