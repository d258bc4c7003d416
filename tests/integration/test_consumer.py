"""The consumer counts the clicks of the stream in every table."""

from datetime import timedelta

from services.resolver.clicks.recorder import ClickRecorder
from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.spool import Spool
from services.resolver.clicks.stream_writer import StreamWriter
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.stats.counting.consumer import BatchResult
from services.stats.counting.rollups import click_of
from services.stats.counting.stream_reader import StreamReader
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.redis.client import RedisClient
from tests.integration.counting import add, count_all, count_batch, counted_once, in_buckets, total
from tests.support.builders import BOT, NOON, VISITOR_SECRET, click_event, encoded, make_link, make_owner, milliseconds


async def test_a_recorded_click_is_counted(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link, spool: Spool
) -> None:
    await ClickRecorder(redis, spool, StreamWriter(redis, ReplayBuffer()), CircuitBreaker()).record(
        encoded(click_event(link.id))
    )
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=1, skipped=0, dead_letters=0)
    await counted_once(stats_database)


async def test_a_click_is_stored_with_the_fields_of_its_event(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    event = click_event(link.id, referrer="https://www.Example.org/some/page")
    await add(redis, event)
    await count_batch(stats_database, stream)
    row = await stats_database.fetch_one("SELECT * FROM clicks")
    assert row == {
        "id": event.id,
        "clicked_at": NOON + timedelta(milliseconds=1),
        "link_id": link.id,
        "visitor": click_of(event, VISITOR_SECRET).visitor,
        "bot": False,
        "referrer": "example.org",
        "browser": "Firefox",
        "os": "Linux",
        "device": "desktop",
    }


async def test_no_address_is_stored(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id, address="203.0.113.77"))
    await count_batch(stats_database, stream)
    row = await stats_database.fetch_one("SELECT clicks::text AS row FROM clicks")
    assert row is not None
    assert "203.0.113.77" not in row["row"]


async def test_clicks_are_counted_in_quarters_of_an_hour(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    quarter = timedelta(minutes=15)
    moments = [NOON - timedelta(milliseconds=1), NOON, NOON + quarter - timedelta(milliseconds=1), NOON + quarter]
    await add(redis, *(click_event(link.id, n, at_ms=milliseconds(at)) for n, at in enumerate(moments)))
    await count_batch(stats_database, stream)
    assert await in_buckets(stats_database) == {
        (NOON - quarter, False): 1,
        (NOON, False): 2,
        (NOON + quarter, False): 1,
    }


async def test_bots_are_counted_separately(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id, 1), click_event(link.id, 2, user_agent=BOT))
    await count_batch(stats_database, stream)
    assert await in_buckets(stats_database) == {(NOON, False): 1, (NOON, True): 1}
    assert await stats_database.fetch_all("SELECT clicks, bot_clicks FROM link_totals") == [
        {"clicks": 1, "bot_clicks": 1}
    ]


async def test_each_click_is_counted_for_its_own_link(
    stats_database: Database, writer_database: Database, redis: RedisClient, stream: StreamReader
) -> None:
    owner_id = await make_owner(writer_database)
    for number, code in enumerate(("one", "two", "three"), 1):
        made = await make_link(writer_database, owner_id=owner_id, code=code)
        await add(redis, *(click_event(made.id, number * 10 + n) for n in range(number)))
    await count_all(stats_database, stream)
    assert [await total(stats_database, code) for code in ("one", "two", "three")] == [1, 2, 3]


async def test_a_later_batch_adds_to_the_counts(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    for number in range(3):
        await add(redis, click_event(link.id, number))
        await count_batch(stats_database, stream)
    assert await in_buckets(stats_database) == {(NOON, False): 3}
    assert await total(stats_database) == 3


async def test_an_empty_stream_is_no_error(stats_database: Database, stream: StreamReader) -> None:
    assert await count_batch(stats_database, stream) == BatchResult(0, 0, 0, 0)


async def test_counted_entries_are_deleted_from_the_stream(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id))
    await count_batch(stats_database, stream)
    assert (await stream.backlog()).entries == 0
