"""Clicks at chosen moments, and the reports on them."""

import itertools
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from multidict import MultiDict

from services.stats.reports import series as reports
from services.stats.reports.schemas import TimeseriesQuery
from services.stats.reports.series import Bucket
from shared.domain.dimensions import ClickFilter
from shared.domain.models import ClickEvent, Link
from shared.postgres.pool import Database
from shared.schemas.parsing import parse_query
from tests.support.builders import NOON, click_event, count_clicks, milliseconds

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"  # noqa: E501  # a real User-Agent

_numbers = itertools.count()


def at(link: Link, moment: datetime, **fields: Any) -> ClickEvent:
    """A new click at a moment."""
    return click_event(link.id, next(_numbers), at_ms=milliseconds(moment), **fields)


async def click_at(database: Database, link: Link, *moments: datetime, **fields: Any) -> None:
    await count_clicks(database, *(at(link, moment, **fields) for moment in moments))


async def series(database: Database, click_filter: ClickFilter, interval: str, tz: str = "UTC") -> list[Bucket]:
    return await reports.timeseries(database, click_filter, interval=interval, tz=tz, now=NOON)


def days(first: date, last: date, zone: ZoneInfo) -> ClickFilter:
    """The filter of a query for whole days in a time zone."""
    query = MultiDict({"from": first.isoformat(), "to": last.isoformat(), "tz": zone.key})
    click_filter = parse_query(TimeseriesQuery(), query)["filter"]
    assert isinstance(click_filter, ClickFilter)
    return click_filter
