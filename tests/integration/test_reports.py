"""Totals and top links, and the same reports from rollups and from single clicks."""

import itertools
import random
from datetime import UTC, datetime, timedelta

import pytest

from services.stats.reports import filters
from services.stats.reports.series import Bucket
from services.writer.links import changes
from shared.domain.codes import in_default_domain
from shared.domain.dimensions import BOTS, INTERVALS, Bots, ClickFilter, ValueFilter
from shared.domain.errors import LinkNotFound
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.postgres.tables import reports as rows
from shared.postgres.tables.reports import TopLink, Totals
from tests.integration.reporting import DAY, HOUR, IPHONE, click_at, series
from tests.support.builders import BOT, FIREFOX, NOON, click_event, count_clicks, make_link, milliseconds

EVERYTHING = {"device": ValueFilter(leave_out=("no such device",))}
"""A filter that matches every click, but is evaluated on single clicks instead of rollups."""


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
    click_filter = await filters.for_link(stats_database, "abc", ClickFilter())
    assert (await rows.totals(stats_database, click_filter)).clicks == 1


async def test_a_report_on_an_unknown_link_raises_link_not_found(stats_database: Database) -> None:
    with pytest.raises(LinkNotFound):
        await filters.for_link(stats_database, "unknown", ClickFilter())


async def test_a_period_includes_its_start_and_excludes_its_end(stats_database: Database, link: Link) -> None:
    tick = timedelta(milliseconds=1)
    await click_at(stats_database, link, NOON - tick, NOON, NOON + HOUR - tick, NOON + HOUR)
    for dimensions in ({}, EVERYTHING):
        click_filter = ClickFilter(start=NOON, end=NOON + HOUR, dimensions=dimensions)
        assert (await rows.totals(stats_database, click_filter)).clicks == 2
        assert await series(stats_database, click_filter, "hour") == [Bucket(NOON, 2)]


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
