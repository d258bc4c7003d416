"""The building blocks of all dashboards, so that they look alike."""

import itertools
from collections.abc import Iterable, Mapping
from typing import Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as shapes
from grafana_foundation_sdk.models import dashboard as models

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="prometheus")
"""The data source, with the uid that monitoring/grafana/provisioning/datasources/prometheus.yml sets."""

Steps = Iterable[tuple[float | None, str]]
"""Colours, each with the value from which it applies; None is the lowest value."""

NEUTRAL: Final[Steps] = ((None, "blue"),)
"""For a value that is neither good nor bad."""

Queries = Mapping[str, str]
"""PromQL expressions by legend. A legend may contain labels: `{{instance}}`."""


def good_below(warning: float, critical: float | None = None) -> Steps:
    """Green below `warning`, orange from there on, red from `critical` on."""
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
    """A panel with the current value of each series. `words` maps values to the words that are shown instead."""
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
    axis_max: float | None = None,
) -> timeseries.Panel:
    """A panel with series over time. `steps` draws lines at alert thresholds. The axis ends at `axis_max`, if given."""
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
    if axis_max is not None:
        panel.max(axis_max)
    for ref_id, (legend, expression) in zip("ABCDEFGH", queries.items(), strict=False):
        panel.with_target(_query(ref_id, legend, expression))
    return panel


Panel = stat.Panel | timeseries.Panel
Rows = Mapping[str, Iterable[Panel]]
"""Panels by the title of their row."""


def board(name: str, title: str, description: str, rows: Rows) -> dashboard.Dashboard:
    """A dashboard with its rows of panels, links to the other dashboards, and annotations for alerts that fired."""
    built = (
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
    ids = itertools.count(1)  # explicit ids, because the URL of a panel contains its id
    for row, panels in rows.items():
        built.with_row(dashboard.Row(row).id(next(ids)))
        for panel in panels:
            built.with_panel(panel.id(next(ids)))
    return built


def _query(ref_id: str, legend: str, expression: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(ref_id).datasource(SOURCE).expr(expression).legend_format(legend).range()


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=colour) for value, colour in steps])
    )
