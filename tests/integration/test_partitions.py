import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from services.stats.counting.partitions import make_partitions
from services.stats.counting.stream_reader import StreamReader
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.postgres.tables import clicks
from shared.redis.client import RedisClient
from tests.integration.counting import (
    add,
    count_batch,
    counted_once,
    total,
)
from tests.support.builders import (
    NOON,
    click_event,
    count_clicks,
    milliseconds,
)


async def partitions_of_clicks(database: Database) -> list[str]:
    """The partition of each click, ordered by time."""
    found = await database.fetch_all("SELECT tableoid::regclass::text AS partition FROM clicks ORDER BY clicked_at")
    return [row["partition"] for row in found]


@pytest.mark.parametrize("moment", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)])
async def test_a_click_of_a_distant_time_is_stored_in_the_default_partition(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link, moment: datetime
) -> None:
    await add(redis, click_event(link.id, at_ms=milliseconds(moment)))
    assert (await count_batch(stats_database, stream)).counted == 1
    assert await partitions_of_clicks(stats_database) == ["clicks_other"]


async def test_a_click_moves_to_the_partition_of_its_month_when_it_is_created(
    stats_database: Database, link: Link
) -> None:
    await count_clicks(stats_database, click_event(link.id))
    before = await stats_database.fetch_all("SELECT * FROM clicks")
    assert await clicks.make_partition(stats_database, NOON.date())
    assert await partitions_of_clicks(stats_database) == ["clicks_2026_03"]
    assert await stats_database.fetch_all("SELECT * FROM clicks") == before


async def test_only_the_clicks_of_the_month_move(stats_database: Database, link: Link) -> None:
    month_starts = [datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)]
    tick = timedelta(milliseconds=1)
    moments = [month_starts[0] - tick, month_starts[0], month_starts[1] - tick, month_starts[1]]
    await count_clicks(
        stats_database, *(click_event(link.id, n, at_ms=milliseconds(at)) for n, at in enumerate(moments))
    )
    await clicks.make_partition(stats_database, date(2026, 3, 17))
    assert await partitions_of_clicks(stats_database) == [
        "clicks_other",
        "clicks_2026_03",
        "clicks_2026_03",
        "clicks_other",
    ]


async def test_a_click_is_stored_in_the_partition_of_its_month(stats_database: Database, link: Link) -> None:
    await clicks.make_partition(stats_database, NOON.date())
    await count_clicks(stats_database, click_event(link.id))
    assert await partitions_of_clicks(stats_database) == ["clicks_2026_03"]


async def test_a_click_that_has_moved_is_still_counted_once(stats_database: Database, link: Link) -> None:
    await count_clicks(stats_database, click_event(link.id))
    await clicks.make_partition(stats_database, NOON.date())
    assert await count_clicks(stats_database, click_event(link.id)) == []
    await counted_once(stats_database)


async def test_an_existing_partition_is_not_created_again(stats_database: Database) -> None:
    assert await clicks.make_partition(stats_database, date(2026, 3, 1))
    assert not await clicks.make_partition(stats_database, date(2026, 3, 31))


async def test_of_many_tasks_that_create_a_partition_at_the_same_time_one_does(
    stats_database: Database, link: Link
) -> None:
    await count_clicks(stats_database, click_event(link.id))
    made = await asyncio.gather(*(clicks.make_partition(stats_database, NOON.date()) for _ in range(5)))
    assert made.count(True) == 1
    await counted_once(stats_database)


async def test_clicks_are_counted_while_partitions_are_created(stats_database: Database, link: Link) -> None:
    months = [date(2026, month, 1) for month in range(1, 7)]
    events = [
        [
            click_event(link.id, n * 100 + m, at_ms=milliseconds(datetime(2026, m, 5, tzinfo=UTC)) + n)
            for m in range(1, 7)
        ]
        for n in range(8)
    ]
    await asyncio.gather(
        *(count_clicks(stats_database, *batch) for batch in events),
        *(clicks.make_partition(stats_database, month) for month in months),
    )
    assert await total(stats_database) == 48
    assert sorted(set(await partitions_of_clicks(stats_database))) == [
        f"clicks_2026_{month:02d}" for month in range(1, 7)
    ]


async def test_partitions_are_created_for_this_month_and_the_next_two(stats_database: Database) -> None:
    await make_partitions(stats_database, date(2026, 11, 30))
    await make_partitions(stats_database, date(2026, 11, 30))
    found = await stats_database.fetch_all(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'clicks'::regclass ORDER BY 1"
    )
    assert [row["name"] for row in found] == ["clicks_2026_11", "clicks_2026_12", "clicks_2027_01", "clicks_other"]
