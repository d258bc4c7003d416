import itertools
import random
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from multidict import MultiDict

from services.stats.reports import series as reports
from services.stats.reports.schemas import TimeseriesQuery
from services.stats.reports.series import Bucket
from services.writer.links import changes
from shared.domain.codes import in_default_domain
from shared.domain.dimensions import BOTS, INTERVALS, Bots, ClickFilter, ValueFilter
from shared.domain.errors import InvalidInput, LinkNotFound
from shared.domain.models import ClickEvent, Link
from shared.postgres.pool import Database
from shared.postgres.tables import reports as rows
from shared.postgres.tables.reports import TopLink, Totals
from shared.schemas.parsing import parse_query
from tests.support.builders import BOT, FIREFOX, NOON, click_event, count_clicks, make_link, milliseconds

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"  # noqa: E501  # a real User-Agent
EVERYTHING = {"device": ValueFilter(leave_out=("no such device",))}
"""A filter that matches every click, but is evaluated on single clicks instead of rollups."""

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


# Totals


async def test_totals_add_up_clicks_visitors_and_bots(stats_database: Database, link: Link) -> None:
    await click_at(stats_database, link, NOON, NOON + HOUR)
    await click_at(stats_database, link, NOON + 2 * HOUR, address="192.0.2.2")
    await click_at(stats_database, link, NOON + 3 * HOUR, user_agent=BOT)
    assert await rows.totals(stats_database, ClickFilter()) == Totals(
        clicks=3, unique_visitors=2, bots=1, first_click=NOON, last_click=NOON + 2 * HOUR
    )


async def test_the_totals_without_clicks_are_zero(stats_database: Database) -> None:
    assert await rows.totals(stats_database, ClickFilter()) == Totals(
        clicks=0, unique_visitors=0, bots=0, first_click=None, last_click=None
    )


@pytest.mark.parametrize(("bots", "clicks"), [("exclude", 2), ("include", 3), ("only", 1)])
async def test_totals_include_bots_as_the_filter_says(
    stats_database: Database, link: Link, bots: Bots, clicks: int
) -> None:
    await click_at(stats_database, link, NOON, NOON + HOUR)
    await click_at(stats_database, link, NOON, user_agent=BOT)
    totals = await rows.totals(stats_database, ClickFilter(bots=bots))
    assert (totals.clicks, totals.bots) == (clicks, 1)


async def test_the_totals_of_a_link_exclude_other_links(
    stats_database: Database, writer_database: Database, link: Link, owner_id: int
) -> None:
    other = await make_link(writer_database, owner_id=owner_id)
    await count_clicks(stats_database, click_event(link.id, 1), click_event(other.id, 2))
    click_filter = await reports.for_link(stats_database, "abc", ClickFilter())
    assert (await rows.totals(stats_database, click_filter)).clicks == 1


async def test_a_report_on_an_unknown_link_raises_link_not_found(stats_database: Database) -> None:
    with pytest.raises(LinkNotFound):
        await reports.for_link(stats_database, "unknown", ClickFilter())


async def test_a_period_includes_its_start_and_excludes_its_end(stats_database: Database, link: Link) -> None:
    tick = timedelta(milliseconds=1)
    await click_at(stats_database, link, NOON - tick, NOON, NOON + HOUR - tick, NOON + HOUR)
    for dimensions in ({}, EVERYTHING):
        click_filter = ClickFilter(start=NOON, end=NOON + HOUR, dimensions=dimensions)
        assert (await rows.totals(stats_database, click_filter)).clicks == 2
        assert await series(stats_database, click_filter, "hour") == [Bucket(NOON, 2)]


# Series


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


# Rollups and single clicks


@pytest.fixture
async def varied_clicks(stats_database: Database, writer_database: Database, link: Link, owner_id: int) -> None:
    """Clicks of two links by people and bots, around the day on which the clock moves in Berlin."""
    other = await make_link(writer_database, owner_id=owner_id, code="other")
    chance = random.Random(7)  # noqa: S311  # no secret
    start = datetime(2026, 3, 26, tzinfo=UTC)
    await count_clicks(
        stats_database,
        *(
            click_event(
                chance.choice((link, other)).id,
                number,
                at_ms=milliseconds(start) + chance.randrange(6 * 86_400_000),
                user_agent=chance.choice((FIREFOX, IPHONE, BOT)),
            )
            for number in range(400)
        ),
    )


@pytest.mark.usefixtures("varied_clicks")
@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns"])
async def test_rollups_and_single_clicks_give_the_same_series(stats_database: Database, tz: str) -> None:
    start = datetime(2026, 3, 27, 5, 15, tzinfo=UTC)
    for interval, bots in itertools.product(set(INTERVALS) - {"minute"}, BOTS):
        counted = ClickFilter(start=start, end=start + 3 * DAY, bots=bots)
        single = ClickFilter(start=start, end=start + 3 * DAY, bots=bots, dimensions=EVERYTHING)
        found = await series(stats_database, counted, interval, tz)
        assert found == await series(stats_database, single, interval, tz)
        assert sum(bucket.clicks for bucket in found) > 20


@pytest.mark.usefixtures("varied_clicks")
@pytest.mark.parametrize("interval", INTERVALS)
async def test_every_series_adds_up_to_the_totals(stats_database: Database, link: Link, interval: str) -> None:
    start = datetime(2026, 3, 27, 5, 15, tzinfo=UTC)
    for bots, link_id in itertools.product(BOTS, (None, link.id)):
        click_filter = ClickFilter(start=start, end=start + 3 * DAY, bots=bots, link_id=link_id)
        found = await series(stats_database, click_filter, interval, "Europe/Berlin")
        assert sum(bucket.clicks for bucket in found) == (await rows.totals(stats_database, click_filter)).clicks


@pytest.mark.usefixtures("varied_clicks")
@pytest.mark.parametrize("bots", BOTS)
async def test_rollups_and_single_clicks_give_the_same_top_links(stats_database: Database, bots: Bots) -> None:
    counted = ClickFilter(bots=bots)
    single = ClickFilter(bots=bots, dimensions=EVERYTHING)
    found = await rows.top_links(stats_database, counted, domain="default", limit=10)
    assert len(found) == 2
    assert found == await rows.top_links(stats_database, single, domain="default", limit=10)


@pytest.mark.usefixtures("varied_clicks")
async def test_a_period_that_ends_within_a_quarter_of_an_hour_is_exact(stats_database: Database) -> None:
    start = datetime(2026, 3, 27, 5, 7, 31, tzinfo=UTC)
    for end in (start + DAY, start + DAY + timedelta(microseconds=1), datetime(2026, 3, 28, 5, 15, tzinfo=UTC)):
        click_filter = ClickFilter(start=start, end=end)
        found = await series(stats_database, click_filter, "hour")
        assert sum(bucket.clicks for bucket in found) == (await rows.totals(stats_database, click_filter)).clicks


# Breakdowns


@pytest.fixture
async def visits(stats_database: Database, link: Link) -> None:
    """Three clicks by Firefox on Linux, two by Safari on an iPhone, one by a bot, with three referrers."""
    await click_at(stats_database, link, NOON, NOON + HOUR, referrer="https://a.example/")
    await click_at(stats_database, link, NOON + 2 * HOUR, referrer="https://b.example/")
    await click_at(stats_database, link, NOON, NOON + HOUR, user_agent=IPHONE, referrer="https://b.example/")
    await click_at(stats_database, link, NOON, user_agent=BOT)


async def values_of(database: Database, dimension: str, limit: int = 10, **click_filter: Any) -> dict[str, int]:
    values, total = await rows.per_value(database, ClickFilter(**click_filter), dimension=dimension, limit=limit)
    assert len(values) == limit or total == sum(clicks for _, clicks in values)
    return dict(values)


@pytest.mark.usefixtures("visits")
@pytest.mark.parametrize(
    ("dimension", "values"),
    [
        ("referrer", {"b.example": 3, "a.example": 2}),
        ("browser", {"Firefox": 3, "Mobile Safari": 2}),
        ("os", {"Linux": 3, "iOS": 2}),
        ("device", {"desktop": 3, "mobile": 2}),
    ],
)
async def test_clicks_are_broken_down_by_value(
    stats_database: Database, dimension: str, values: dict[str, int]
) -> None:
    assert await values_of(stats_database, dimension) == values


@pytest.mark.usefixtures("visits")
@pytest.mark.parametrize(
    ("bots", "values"),
    [
        ("exclude", {"desktop": 3, "mobile": 2}),
        ("include", {"desktop": 3, "mobile": 2, "bot": 1}),
        ("only", {"bot": 1}),
    ],
)
async def test_a_breakdown_includes_bots_as_the_filter_says(
    stats_database: Database, bots: Bots, values: dict[str, int]
) -> None:
    assert await values_of(stats_database, "device", bots=bots) == values


@pytest.mark.usefixtures("visits")
async def test_values_are_ordered_by_clicks_and_then_by_name(stats_database: Database, link: Link) -> None:
    await click_at(stats_database, link, NOON, referrer="https://0.example/")
    await click_at(stats_database, link, NOON + HOUR, referrer="https://00.example/")
    assert list(await values_of(stats_database, "referrer")) == ["b.example", "a.example", "0.example", "00.example"]


@pytest.mark.usefixtures("visits")
async def test_a_limited_breakdown_has_the_total_of_all_clicks(stats_database: Database) -> None:
    assert await rows.per_value(stats_database, ClickFilter(), dimension="device", limit=1) == ([("desktop", 3)], 5)


async def test_a_breakdown_without_clicks_is_empty(stats_database: Database) -> None:
    assert await rows.per_value(stats_database, ClickFilter(), dimension="device", limit=10) == ([], 0)


async def test_a_breakdown_by_an_unknown_dimension_is_refused(stats_database: Database) -> None:
    with pytest.raises(ValueError, match="visitor"):
        await rows.per_value(stats_database, ClickFilter(), dimension="visitor", limit=10)


@pytest.mark.usefixtures("visits")
@pytest.mark.parametrize(
    ("dimensions", "clicks"),
    [
        ({"referrer": ValueFilter(keep=("b.example",))}, 3),
        ({"referrer": ValueFilter(keep=("a.example", "b.example"))}, 5),
        ({"referrer": ValueFilter(leave_out=("b.example",))}, 2),
        ({"referrer": ValueFilter(keep=("b.example",)), "device": ValueFilter(leave_out=("mobile",))}, 1),
        ({"referrer": ValueFilter(keep=("a.example", "b.example"), leave_out=("a.example",))}, 3),
        ({"browser": ValueFilter(keep=("none such",))}, 0),
        ({"browser": ValueFilter(keep=("'; DROP TABLE clicks; --", "%s"))}, 0),
    ],
)
async def test_filters_include_and_exclude_values(
    stats_database: Database, dimensions: dict[str, ValueFilter], clicks: int
) -> None:
    click_filter = ClickFilter(start=NOON, end=NOON + DAY, dimensions=dimensions)
    assert (await rows.totals(stats_database, click_filter)).clicks == clicks
    assert sum(bucket.clicks for bucket in await series(stats_database, click_filter, "day")) == clicks
    assert sum((await values_of(stats_database, "os", dimensions=dimensions)).values()) == clicks


# Top links


async def test_top_links_are_ordered_by_clicks_and_then_by_code(
    stats_database: Database, writer_database: Database, owner_id: int
) -> None:
    for number, (code, clicks) in enumerate([("b", 2), ("a", 2), ("most", 3), ("none", 0)]):
        made = await make_link(writer_database, owner_id=owner_id, code=code, title=code.upper())
        await count_clicks(stats_database, *(click_event(made.id, number * 10 + n) for n in range(clicks)))
    assert await rows.top_links(stats_database, ClickFilter(), domain="default", limit=10) == [
        TopLink(code=code, url="https://example.com/", title=code.upper(), clicks=clicks)
        for code, clicks in (("most", 3), ("a", 2), ("b", 2))
    ]


async def test_top_links_are_limited(stats_database: Database, writer_database: Database, owner_id: int) -> None:
    for number, code in enumerate("abc"):
        made = await make_link(writer_database, owner_id=owner_id, code=code)
        await count_clicks(stats_database, click_event(made.id, number))
    found = await rows.top_links(stats_database, ClickFilter(), domain="default", limit=2)
    assert [top.code for top in found] == ["a", "b"]


async def test_a_deleted_link_is_not_a_top_link(
    stats_database: Database, writer_database: Database, link: Link
) -> None:
    await count_clicks(stats_database, click_event(link.id))
    await changes.delete(writer_database, in_default_domain(link.code), based_on=None)
    assert await rows.top_links(stats_database, ClickFilter(), domain="default", limit=10) == []


async def test_the_top_links_of_a_period_are_ordered_by_its_clicks_alone(
    stats_database: Database, writer_database: Database, link: Link, owner_id: int
) -> None:
    other = await make_link(writer_database, owner_id=owner_id, code="other")
    await click_at(stats_database, link, NOON - 2 * HOUR, NOON - HOUR)
    await click_at(stats_database, other, NOON)
    click_filter = ClickFilter(start=NOON, end=NOON + HOUR)
    found = await rows.top_links(stats_database, click_filter, domain="default", limit=10)
    assert [(top.code, top.clicks) for top in found] == [("other", 1)]
