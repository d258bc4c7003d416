"""The queries of reports: sums over `clicks`, or over `click_counts` where these are sufficient and cheaper."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.dimensions import BUCKET_SECONDS, DIMENSIONS, ClickFilter, ValueFilter
from shared.postgres.pool import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Totals:
    """The totals of the clicks of a filter. `bots` counts the clicks of bots even if the filter excludes them."""

    clicks: int
    unique_visitors: int
    bots: int
    first_click: datetime | None
    last_click: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TopLink:
    """A link and its clicks in a period."""

    code: str
    url: str
    title: str | None
    clicks: int


async def totals(database: Database, click_filter: ClickFilter) -> Totals:
    """The totals of a filter, from single clicks."""
    where, values = _conditions(click_filter, "clicked_at", with_bots=False)
    chosen = {"exclude": "NOT bot", "include": "true", "only": "bot"}[click_filter.bots]
    row = await database.fetch_one(
        f"""
        SELECT count(*) FILTER (WHERE {chosen}) AS clicks,
               count(DISTINCT visitor) FILTER (WHERE {chosen}) AS unique_visitors,
               count(*) FILTER (WHERE bot) AS bots,
               min(clicked_at) FILTER (WHERE {chosen}) AS first_click,
               max(clicked_at) FILTER (WHERE {chosen}) AS last_click
        FROM clicks WHERE {where}
        """,
        values,
    )
    assert row is not None
    return Totals(**row)


async def first_click(database: Database, click_filter: ClickFilter) -> datetime | None:
    """The time of the first click of a filter."""
    where, values = _conditions(click_filter, "clicked_at")
    row = await database.fetch_one(f"SELECT min(clicked_at) AS at FROM clicks WHERE {where}", values)
    return row["at"] if row else None


async def per_bucket(database: Database, click_filter: ClickFilter, *, interval: str, tz: str) -> dict[datetime, int]:
    """Clicks by the start of their minute, hour, day, week (Monday) or month in a time zone; without empty buckets."""
    source, values = _source(click_filter, fine=interval == "minute")
    rows = await database.fetch_all(
        f"""
        SELECT date_trunc(%(interval)s, at, %(tz)s) AS bucket, sum(n)::bigint AS clicks
        FROM ({source}) AS source GROUP BY 1
        """,
        {**values, "interval": interval, "tz": tz},
    )
    return {row["bucket"]: row["clicks"] for row in rows}


async def per_value(
    database: Database, click_filter: ClickFilter, *, dimension: str, limit: int
) -> tuple[list[tuple[str, int]], int]:
    """The most frequent values of a dimension with their clicks, and the number of all clicks."""
    if dimension not in DIMENSIONS:
        raise ValueError(dimension)
    where, values = _conditions(click_filter, "clicked_at")
    rows = await database.fetch_all(
        f"""
        SELECT {dimension} AS value, count(*) AS clicks, sum(count(*)) OVER ()::bigint AS total
        FROM clicks WHERE {where} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT %(limit)s
        """,
        {**values, "limit": limit},
    )
    return [(row["value"], row["clicks"]) for row in rows], rows[0]["total"] if rows else 0


async def top_links(database: Database, click_filter: ClickFilter, *, domain: str, limit: int) -> list[TopLink]:
    """The links with the most clicks, in descending order, without deleted links."""
    source, values = _source(click_filter)
    rows = await database.fetch_all(
        f"""
        SELECT l.code, l.url, l.title, counted.clicks
        FROM (SELECT link_id, sum(n)::bigint AS clicks FROM ({source}) AS source GROUP BY 1) AS counted
        JOIN links l ON l.id = counted.link_id AND l.deleted_at IS NULL AND l.domain = %(domain)s
        ORDER BY counted.clicks DESC, l.code LIMIT %(limit)s
        """,
        {**values, "domain": domain, "limit": limit},
    )
    return [TopLink(**row) for row in rows]


def _source(click_filter: ClickFilter, *, fine: bool = False) -> tuple[str, dict[str, Any]]:
    """A query of (at, link_id, n): from `click_counts` if the filter's limits are bucket edges, else from `clicks`."""
    if fine or click_filter.dimensions or not all(map(_on_bucket_edge, (click_filter.start, click_filter.end))):
        where, values = _conditions(click_filter, "clicked_at")
        return f"SELECT clicked_at AS at, link_id, 1 AS n FROM clicks WHERE {where}", values
    where, values = _conditions(click_filter, "bucket")
    return f"SELECT bucket AS at, link_id, clicks AS n FROM click_counts WHERE {where}", values


def _on_bucket_edge(moment: datetime | None) -> bool:
    return moment is None or (moment.timestamp() % BUCKET_SECONDS == 0)


def _conditions(click_filter: ClickFilter, time_column: str, *, with_bots: bool = True) -> tuple[str, dict[str, Any]]:
    conditions = ["true"]
    values: dict[str, Any] = {"link_id": click_filter.link_id, "start": click_filter.start, "end": click_filter.end}
    if click_filter.link_id is not None:
        conditions.append("link_id = %(link_id)s")
    if click_filter.start:
        conditions.append(f"{time_column} >= %(start)s")
    if click_filter.end:
        conditions.append(f"{time_column} < %(end)s")
    if with_bots and click_filter.bots != "include":
        conditions.append("bot" if click_filter.bots == "only" else "NOT bot")
    for dimension, chosen in click_filter.dimensions.items():
        conditions += _value_conditions(dimension, chosen, values)
    return " AND ".join(conditions), values


def _value_conditions(dimension: str, chosen: ValueFilter, values: dict[str, Any]) -> Sequence[str]:
    if dimension not in DIMENSIONS:
        raise ValueError(dimension)
    conditions = []
    if chosen.keep:
        values[f"keep_{dimension}"] = list(chosen.keep)
        conditions.append(f"{dimension} = ANY(%(keep_{dimension})s)")
    if chosen.leave_out:
        values[f"leave_{dimension}"] = list(chosen.leave_out)
        conditions.append(f"{dimension} <> ALL(%(leave_{dimension})s)")
    return conditions
