"""The few shapes that every dashboard is made of, so that all of them look and read alike."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="prometheus")
"""The data source, by the uid of monitoring/grafana/provisioning/datasources/prometheus.yml."""

WIDTH: Final = 24
"""Columns of Grafana's grid."""

Steps = Iterable[tuple[float | None, str]]
"""From which value on (None: from the least) a colour holds."""

NEUTRAL: Final[Steps] = ((None, "blue"),)
"""For a number that is neither good nor bad."""

Queries = Mapping[str, str]
"""Legend to expression; a legend may name labels: `{{instance}}`."""


def good_below(warning: float, critical: float | None = None) -> Steps:
    """Green, then orange where an alert fires or is near, then red."""
    return ((None, "green"), (warning, "orange"), *(((critical, "red"),) if critical is not None else ()))


def good_above(warning: float, good: float) -> Steps:
    """Red below `warning`, orange below `good`, green from there on."""
    return ((None, "red"), (warning, "orange"), (good, "green"))


def number(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    steps: Steps,
    *,
    width: int = 4,
    words: Mapping[str, str] | None = None,
) -> stat.Panel:
    """One value, or one a series, of now. `words` says in words what a value means."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(_thresholds(steps))
        .no_value("none")
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(shapes.BigValueColorMode.BACKGROUND if words else shapes.BigValueColorMode.VALUE)
        .graph_mode(shapes.BigValueGraphMode.NONE if words else shapes.BigValueGraphMode.AREA)
        .height(4)
        .span(width)
    )
    if words:
        options = {value: models.ValueMappingResult(text=text) for value, text in words.items()}
        panel.mappings([models.ValueMap(options=options)])
    for ref_id, (legend, expression) in zip("ABCDEFGH", queries.items(), strict=False):
        panel.with_target(_query(ref_id, legend, expression))
    return panel


def lines(
    title: str,
    description: str,
    unit: str,
    queries: Queries,
    *,
    steps: Steps | None = None,
    width: int = 12,
    stacked: bool = False,
    most: float | None = None,
) -> timeseries.Panel:
    """Values over time, from zero up. `steps` draws a line where an alert fires; `most` is the axis's end."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .thresholds(_thresholds(steps or NEUTRAL))
        .thresholds_style(
            common.GraphThresholdsStyleConfig().mode(
                shapes.GraphThresholdsStyleMode.DASHED if steps else shapes.GraphThresholdsStyleMode.OFF
            )
        )
        .color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
        .legend(
            common.VizLegendOptions()
            .display_mode(shapes.LegendDisplayMode.TABLE)
            .placement(shapes.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs(["lastNotNull", "max"])
        )
        .tooltip(common.VizTooltipOptions().mode(shapes.TooltipDisplayMode.MULTI).sort(shapes.SortOrder.DESCENDING))
        .line_width(1)
        .fill_opacity(30 if stacked else 5)
        .show_points(shapes.VisibilityMode.NEVER)
        .height(8)
        .span(width)
    )
    if stacked:
        panel.stacking(common.StackingConfig().mode(shapes.StackingMode.NORMAL))
    if most is not None:
        panel.max(most)
    for ref_id, (legend, expression) in zip("ABCDEFGH", queries.items(), strict=False):
        panel.with_target(_query(ref_id, legend, expression))
    return panel


Panel = stat.Panel | timeseries.Panel
Rows = Mapping[str, Iterable[Panel]]
"""Title of a row to its panels."""


def board(name: str, title: str, description: str, rows: Rows) -> dashboard.Dashboard:
    """A dashboard: its rows, links to the others, and a mark wherever an alert fired."""
    made = (
        dashboard.Dashboard(title)
        .uid(f"boltlink-{name}")
        .description(description)
        .tags(["boltlink"])
        .readonly()
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("10s")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("BoltLink")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags(["boltlink"])
            .keep_time(keep_time=True)
        )
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alerts")
            .datasource(SOURCE)
            .enable(enable=True)
            .icon_color("red")
            .expr('ALERTS{alertstate="firing"}')
        )
    )
    ids = itertools.count(1)  # an id in a dashboard's URL stays the panel's own only if it is written down
    for row, panels in rows.items():
        made.with_row(dashboard.Row(row).id(next(ids)))
        for panel in panels:
            made.with_panel(panel.id(next(ids)))
    return made


def _query(ref_id: str, legend: str, expression: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(ref_id).datasource(SOURCE).expr(expression).legend_format(legend).range()


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=colour) for value, colour in steps])
    )
