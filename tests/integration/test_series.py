"""A series has each bucket of its period, in the time zone of the query."""

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta

import pytest
from multidict import MultiDict

from services.stats.reports.schemas import TimeseriesQuery
from services.stats.reports.series import Bucket
from shared.domain.dimensions import ClickFilter
from shared.domain.errors import InvalidInput
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.schemas.parsing import parse_query
from tests.integration.reporting import BERLIN, DAY, HOUR, KOLKATA, click_at, days, series
from tests.support.builders import NOON


async def test_a_series_includes_empty_buckets(stats_database: Database, link: Link) -> None:
    await click_at(stats_database, link, NOON, NOON + 3 * HOUR)
    assert await series(stats_database, ClickFilter(start=NOON, end=NOON + 4 * HOUR), "hour") == [
        Bucket(NOON, 1),
        Bucket(NOON + HOUR, 0),
        Bucket(NOON + 2 * HOUR, 0),
        Bucket(NOON + 3 * HOUR, 1),
    ]


async def test_a_series_of_minutes_counts_each_minute(stats_database: Database, link: Link) -> None:
    minute = timedelta(minutes=1)
    await click_at(stats_database, link, NOON, NOON + minute / 2, NOON + 2 * minute)
    click_filter = ClickFilter(start=NOON, end=NOON + 3 * minute)
    assert [bucket.clicks for bucket in await series(stats_database, click_filter, "minute")] == [2, 0, 1]


async def test_a_series_of_weeks_begins_on_mondays(stats_database: Database, link: Link) -> None:
    sunday, monday = datetime(2026, 3, 1, 23, 59, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
    await click_at(stats_database, link, sunday, monday)
    click_filter = ClickFilter(start=sunday, end=monday + DAY)
    assert await series(stats_database, click_filter, "week") == [Bucket(monday - 7 * DAY, 1), Bucket(monday, 1)]


async def test_a_series_of_months_has_months_of_different_lengths(stats_database: Database, link: Link) -> None:
    months = [datetime(2028, month, 1, tzinfo=UTC) for month in (1, 2, 3, 4)]
    await click_at(stats_database, link, *(month - HOUR for month in months[1:]))
    click_filter = ClickFilter(start=months[0], end=months[-1])
    assert await series(stats_database, click_filter, "month") == [Bucket(month, 1) for month in months[:-1]]


async def test_the_days_of_berlin_begin_at_its_midnights_although_the_clock_moves(
    stats_database: Database, link: Link
) -> None:
    midnights = [datetime(2026, 3, day, tzinfo=BERLIN) for day in (28, 29, 30, 31)]
    await click_at(stats_database, link, *midnights[:3], *(moment - timedelta(seconds=1) for moment in midnights[1:]))
    click_filter = days(date(2026, 3, 28), date(2026, 3, 30), BERLIN)
    assert await series(stats_database, click_filter, "day", "Europe/Berlin") == [
        Bucket(datetime(2026, 3, 27, 23, tzinfo=UTC), 2),
        Bucket(datetime(2026, 3, 28, 23, tzinfo=UTC), 2),
        Bucket(datetime(2026, 3, 29, 22, tzinfo=UTC), 2),
    ]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 7, 1), 24)])
async def test_a_day_in_berlin_has_its_own_number_of_hours(
    stats_database: Database, link: Link, day: date, hours: int
) -> None:
    start = datetime.combine(day, time(), BERLIN).astimezone(UTC)
    await click_at(stats_database, link, *(start + n * HOUR + HOUR / 2 for n in range(hours)))
    assert await series(stats_database, days(day, day, BERLIN), "hour", "Europe/Berlin") == [
        Bucket(start + n * HOUR, 1) for n in range(hours)
    ]


async def test_the_days_of_kolkata_begin_at_18_30_utc_of_the_day_before(stats_database: Database, link: Link) -> None:
    start = datetime(2026, 2, 28, 18, 30, tzinfo=UTC)
    await click_at(stats_database, link, start - timedelta(seconds=1), start, start + DAY - timedelta(seconds=1))
    click_filter = days(date(2026, 3, 1), date(2026, 3, 2), KOLKATA)
    assert await series(stats_database, click_filter, "day", "Asia/Kolkata") == [
        Bucket(start, 2),
        Bucket(start + DAY, 0),
    ]


async def test_the_hours_of_kolkata_begin_at_half_past(stats_database: Database, link: Link) -> None:
    await click_at(stats_database, link, NOON)
    click_filter = ClickFilter(start=NOON, end=NOON + HOUR)
    assert await series(stats_database, click_filter, "hour", "Asia/Kolkata") == [
        Bucket(NOON - HOUR / 2, 1),
        Bucket(NOON + HOUR / 2, 0),
    ]


async def test_a_series_without_a_start_begins_with_the_first_click(stats_database: Database, link: Link) -> None:
    await click_at(stats_database, link, NOON - 2 * DAY)
    found = await series(stats_database, ClickFilter(), "day")
    assert [bucket.clicks for bucket in found] == [1, 0, 0]


async def test_a_series_without_clicks_has_the_bucket_of_now(stats_database: Database) -> None:
    assert await series(stats_database, ClickFilter(), "hour") == [Bucket(NOON, 0)]


async def test_a_click_in_the_future_is_included(stats_database: Database, link: Link) -> None:
    await click_at(stats_database, link, NOON + DAY)
    found = await series(stats_database, ClickFilter(), "hour")
    assert sum(bucket.clicks for bucket in found) == 1


async def test_too_many_buckets_are_refused(stats_database: Database) -> None:
    with pytest.raises(InvalidInput) as caught:
        await series(stats_database, ClickFilter(start=NOON, end=NOON + 30 * DAY), "minute")
    assert list(caught.value.faults) == ["interval"]


async def test_postgres_knows_every_time_zone_that_the_api_accepts(database: Database) -> None:
    await database.execute(
        """
        CREATE FUNCTION is_known(zone text) RETURNS boolean LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM date_trunc('day', now(), zone);
            RETURN true;
        EXCEPTION WHEN OTHERS THEN
            RETURN false;
        END $$
        """
    )
    accepted = [zone for zone in zoneinfo.available_timezones() if _is_accepted(zone)]
    unknown = await database.fetch_all(
        "SELECT zone FROM unnest(%s::text[]) AS zone WHERE NOT is_known(zone)", [accepted]
    )
    assert len(accepted) > 400
    assert unknown == []


def _is_accepted(zone: str) -> bool:
    try:
        parse_query(TimeseriesQuery(), MultiDict(tz=zone))
    except InvalidInput:
        return False
    return True
