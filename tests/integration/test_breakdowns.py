"""Clicks are broken down by value, and filtered by value."""

from typing import Any

import pytest

from shared.domain.dimensions import Bots, ClickFilter, ValueFilter
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.postgres.tables import reports as rows
from tests.integration.reporting import DAY, HOUR, IPHONE, click_at, series
from tests.support.builders import BOT, NOON


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
