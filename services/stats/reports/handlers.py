"""Handlers of the stats API: parse the query, call one report, respond with JSON."""

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from services.stats.reports import filters, series
from services.stats.reports.schemas import (
    BreakdownSchema,
    FilterQuery,
    LimitedQuery,
    TimeseriesQuery,
    TimeseriesSchema,
    TopSchema,
    TotalsSchema,
)
from services.stats.settings import StatsSettings
from shared.domain.codes import DEFAULT_DOMAIN
from shared.domain.dimensions import DIMENSIONS, ClickFilter
from shared.http.json import json_response
from shared.http.stores import DATABASE
from shared.postgres.tables import reports
from shared.schemas.parsing import parse_query

SETTINGS = web.AppKey("SETTINGS", StatsSettings)


async def overview(request: web.Request) -> web.Response:
    """Totals of all links."""
    query = parse_query(FilterQuery(), request.query)
    return json_response(TotalsSchema().dump(await reports.totals(request.app[DATABASE], query["filter"])))


async def link_summary(request: web.Request) -> web.Response:
    """Totals of one link."""
    query = parse_query(FilterQuery(), request.query)
    click_filter = await _for_link(request, query["filter"])
    totals = await reports.totals(request.app[DATABASE], click_filter)
    return json_response({"code": request.match_info["code"], **_dumped(TotalsSchema(), totals)})


async def timeseries(request: web.Request) -> web.Response:
    """Clicks of all links by time."""
    query = parse_query(TimeseriesQuery(), request.query)
    return await _timeseries(request, query, query["filter"])


async def link_timeseries(request: web.Request) -> web.Response:
    """Clicks of one link by time."""
    query = parse_query(TimeseriesQuery(), request.query)
    return await _timeseries(request, query, await _for_link(request, query["filter"]))


async def breakdown(request: web.Request) -> web.Response:
    """Clicks of all links by the values of a dimension."""
    query = parse_query(LimitedQuery(), request.query)
    return await _breakdown(request, query, query["filter"])


async def link_breakdown(request: web.Request) -> web.Response:
    """Clicks of one link by the values of a dimension."""
    query = parse_query(LimitedQuery(), request.query)
    return await _breakdown(request, query, await _for_link(request, query["filter"]))


async def top(request: web.Request) -> web.Response:
    """The links with the most clicks."""
    query = parse_query(LimitedQuery(), request.query)
    found = await reports.top_links(request.app[DATABASE], query["filter"], domain=DEFAULT_DOMAIN, limit=query["limit"])
    public_url = request.app[SETTINGS].public_url
    listed = [
        {
            "code": link.code,
            "short_url": f"{public_url}/{link.code}",
            "url": link.url,
            "title": link.title,
            "clicks": link.clicks,
        }
        for link in found
    ]
    return json_response(_dumped(TopSchema(), {"links": listed}))


async def _for_link(request: web.Request, click_filter: ClickFilter) -> ClickFilter:
    return await filters.for_link(request.app[DATABASE], request.match_info["code"], click_filter)


async def _timeseries(request: web.Request, query: dict[str, Any], click_filter: ClickFilter) -> web.Response:
    interval, tz = query["interval"], query["tz"]
    buckets = await series.timeseries(
        request.app[DATABASE], click_filter, interval=interval, tz=tz, now=datetime.now(UTC)
    )
    return json_response(_dumped(TimeseriesSchema(), {"interval": interval, "tz": tz, "buckets": buckets}))


async def _breakdown(request: web.Request, query: dict[str, Any], click_filter: ClickFilter) -> web.Response:
    dimension = request.match_info["dimension"]
    if dimension not in DIMENSIONS:
        raise web.HTTPNotFound
    values, total = await reports.per_value(
        request.app[DATABASE], click_filter, dimension=dimension, limit=query["limit"]
    )
    shares = [{"value": value, "clicks": clicks, "share": round(clicks / total, 6)} for value, clicks in values]
    return json_response(_dumped(BreakdownSchema(), {"dimension": dimension, "total": total, "values": shares}))


def _dumped(schema: Any, value: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = schema.dump(value)
    return dumped
