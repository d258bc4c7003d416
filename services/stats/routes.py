"""Every route of the stats API."""

from typing import Final

from services.stats.reports import handlers, schemas
from shared.domain import errors
from shared.http.contract import Operation, Success

OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/stats/overview",
        handler=handlers.overview,
        group="Statistics",
        summary="Totals of all links",
        scope="stats:read",
        query=schemas.FilterQuery,
        successes={200: Success("Totals", schemas.TotalsSchema)},
        problems=(errors.InvalidInput,),
    ),
    Operation(
        method="GET",
        path="/stats/top",
        handler=handlers.top,
        group="Statistics",
        summary="The links with the most clicks",
        scope="stats:read",
        query=schemas.LimitedQuery,
        successes={200: Success("Links, most clicks first", schemas.TopSchema)},
        problems=(errors.InvalidInput,),
    ),
    Operation(
        method="GET",
        path="/stats/timeseries",
        handler=handlers.timeseries,
        group="Statistics",
        summary="Clicks of all links by time",
        scope="stats:read",
        query=schemas.TimeseriesQuery,
        successes={200: Success("Clicks by time", schemas.TimeseriesSchema)},
        problems=(errors.InvalidInput,),
    ),
    Operation(
        method="GET",
        path="/stats/breakdown/{dimension}",
        handler=handlers.breakdown,
        group="Statistics",
        summary="Clicks of all links by a dimension",
        scope="stats:read",
        query=schemas.LimitedQuery,
        successes={200: Success("Clicks by value", schemas.BreakdownSchema)},
        problems=(errors.InvalidInput,),
    ),
    Operation(
        method="GET",
        path="/stats/links/{code}",
        handler=handlers.link_summary,
        group="Statistics",
        summary="Totals of a link",
        scope="stats:read",
        query=schemas.FilterQuery,
        successes={200: Success("Totals", schemas.LinkSummarySchema)},
        problems=(errors.InvalidInput, errors.LinkNotFound),
    ),
    Operation(
        method="GET",
        path="/stats/links/{code}/timeseries",
        handler=handlers.link_timeseries,
        group="Statistics",
        summary="Clicks of a link by time",
        scope="stats:read",
        query=schemas.TimeseriesQuery,
        successes={200: Success("Clicks by time", schemas.TimeseriesSchema)},
        problems=(errors.InvalidInput, errors.LinkNotFound),
    ),
    Operation(
        method="GET",
        path="/stats/links/{code}/breakdown/{dimension}",
        handler=handlers.link_breakdown,
        group="Statistics",
        summary="Clicks of a link by a dimension",
        scope="stats:read",
        query=schemas.LimitedQuery,
        successes={200: Success("Clicks by value", schemas.BreakdownSchema)},
        problems=(errors.InvalidInput, errors.LinkNotFound),
    ),
)

ROUTES: Final = [operation.route for operation in OPERATIONS]
