import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.resolver.clicks.recorder import ClickRecorder
from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.spool import Spool
from services.resolver.clicks.stream_writer import StreamWriter
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.stats.counting.batch_size import AdaptiveBatchSize
from services.stats.counting.click_stream import Backlog, ClickStream
from services.stats.counting.consumer import BatchResult
from services.stats.counting.rollups import click_of, per_bucket
from services.writer.links import changes
from shared.domain.codes import in_default_domain
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.postgres.pool import Database, connect
from shared.postgres.tables import clicks
from shared.redis import click_events
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from tests.integration.conftest import Stores
from tests.integration.counting import (
    add,
    count_all,
    count_batch,
    counted_once,
    in_buckets,
    rows,
    stream_of,
    total,
)
from tests.integration.locks import waits_for_a_lock
from tests.support.builders import (
    BOT,
    NOON,
    VISITOR_SECRET,
    click_event,
    count_clicks,
    encoded,
    make_link,
    make_owner,
    milliseconds,
)
from tests.support.network import at_port, refusing_port
from tests.support.waiting import until


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with closing(Spool(tmp_path, 2**20)) as found:
        yield found


# From the stream to the tables


async def test_a_recorded_click_is_counted(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link, spool: Spool
) -> None:
    await ClickRecorder(redis, spool, StreamWriter(redis, ReplayBuffer()), CircuitBreaker()).record(
        encoded(click_event(link.id))
    )
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=1, skipped=0, dead_letters=0)
    await counted_once(stats_database)


async def test_a_click_is_stored_with_the_fields_of_its_event(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
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
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id, address="203.0.113.77"))
    await count_batch(stats_database, stream)
    row = await stats_database.fetch_one("SELECT clicks::text AS row FROM clicks")
    assert row is not None
    assert "203.0.113.77" not in row["row"]


async def test_clicks_are_counted_in_quarters_of_an_hour(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
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
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id, 1), click_event(link.id, 2, user_agent=BOT))
    await count_batch(stats_database, stream)
    assert await in_buckets(stats_database) == {(NOON, False): 1, (NOON, True): 1}
    assert await stats_database.fetch_all("SELECT clicks, bot_clicks FROM link_totals") == [
        {"clicks": 1, "bot_clicks": 1}
    ]


async def test_each_click_is_counted_for_its_own_link(
    stats_database: Database, writer_database: Database, redis: RedisClient, stream: ClickStream
) -> None:
    owner_id = await make_owner(writer_database)
    for number, code in enumerate(("one", "two", "three"), 1):
        made = await make_link(writer_database, owner_id=owner_id, code=code)
        await add(redis, *(click_event(made.id, number * 10 + n) for n in range(number)))
    await count_all(stats_database, stream)
    assert [await total(stats_database, code) for code in ("one", "two", "three")] == [1, 2, 3]


async def test_a_later_batch_adds_to_the_counts(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    for number in range(3):
        await add(redis, click_event(link.id, number))
        await count_batch(stats_database, stream)
    assert await in_buckets(stats_database) == {(NOON, False): 3}
    assert await total(stats_database) == 3


async def test_an_empty_stream_is_no_error(stats_database: Database, stream: ClickStream) -> None:
    assert await count_batch(stats_database, stream) == BatchResult(0, 0, 0, 0)


async def test_counted_entries_are_deleted_from_the_stream(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id))
    await count_batch(stats_database, stream)
    assert (await stream.backlog()).entries == 0


# Exactly once


async def test_an_event_twice_in_one_entry_is_counted_once(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id), click_event(link.id))
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=1, skipped=1, dead_letters=0)
    await counted_once(stats_database)


async def test_an_event_in_two_entries_of_a_batch_is_counted_once(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id))
    await add(redis, click_event(link.id))
    assert await count_batch(stats_database, stream) == BatchResult(entries=2, counted=1, skipped=1, dead_letters=0)
    await counted_once(stats_database)


async def test_an_event_in_two_batches_is_counted_once(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id))
    await count_batch(stats_database, stream)
    await add(redis, click_event(link.id))
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=0, skipped=1, dead_letters=0)
    await counted_once(stats_database)


async def test_an_event_of_two_resolvers_is_counted_once(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id, user_agent="seen by one resolver"))
    await add(redis, click_event(link.id, user_agent="seen by the other"))
    await count_all(stats_database, stream)
    await counted_once(stats_database)


async def test_an_event_is_counted_once_if_its_consumer_dies_between_commit_and_acknowledge(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id))
    (entry,) = await stream.read()
    await count_clicks(stats_database, *map(click_events.decode, click_events.split(entry.events)))
    assert await count_batch(stats_database, stream_of(redis)) == BatchResult(
        entries=1, counted=0, skipped=1, dead_letters=0
    )
    await counted_once(stats_database)


async def test_an_event_is_counted_once_if_its_consumer_dies_before_the_commit(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id))
    await stream.read()
    await count_batch(stats_database, stream_of(redis))
    await counted_once(stats_database)


async def test_an_event_is_counted_once_if_another_consumer_claims_it(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id))
    await stream.read()
    consumer_2 = stream_of(redis, "consumer-2", claim_after=0.01)
    await count_all(stats_database, consumer_2)
    await counted_once(stats_database)


async def test_an_event_is_counted_once_if_it_is_claimed_from_a_consumer_that_is_alive(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id))
    entries = await stream.read()
    await count_all(stats_database, stream_of(redis, "consumer-2", claim_after=0.01))
    await count_clicks(stats_database, *map(click_events.decode, click_events.split(entries[0].events)))
    await stream.acknowledge(entries)
    await counted_once(stats_database)


async def test_an_event_in_the_stream_and_in_the_spool_is_counted_once(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link, spool: Spool
) -> None:
    await add(redis, click_event(link.id))
    await spool.append(encoded(click_event(link.id)))
    await ClickRecorder(redis, spool, StreamWriter(redis, ReplayBuffer()), CircuitBreaker()).drain_spool()
    await count_all(stats_database, stream)
    await counted_once(stats_database)


async def test_a_click_in_the_spool_is_counted_once_after_redis_was_unavailable(
    *, stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link, spool: Spool, stores: Stores
) -> None:
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as unavailable:
            await ClickRecorder(unavailable, spool, StreamWriter(unavailable, ReplayBuffer()), CircuitBreaker()).record(
                encoded(click_event(link.id))
            )
    await ClickRecorder(redis, spool, StreamWriter(redis, ReplayBuffer()), CircuitBreaker()).drain_spool()
    await count_all(stats_database, stream)
    await counted_once(stats_database)


async def test_a_spool_that_is_drained_twice_is_counted_once(
    *, stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link, spool: Spool, tmp_path: Path
) -> None:
    await spool.append(encoded(click_event(link.id)))
    (path,) = await asyncio.to_thread(lambda: [*tmp_path.iterdir()])
    content = path.read_bytes()
    await ClickRecorder(redis, spool, StreamWriter(redis, ReplayBuffer()), CircuitBreaker()).drain_spool()
    path.write_bytes(content)  # as if the resolver had died before it deleted the file
    await ClickRecorder(
        redis, Spool(tmp_path, 2**20), StreamWriter(redis, ReplayBuffer()), CircuitBreaker()
    ).drain_spool()
    await count_all(stats_database, stream)
    await counted_once(stats_database)


async def test_two_consumers_at_once_count_every_click_once(
    stats_database: Database, redis: RedisClient, link: Link
) -> None:
    for number in range(60):
        await add(redis, *(click_event(link.id, (number * 2 + n) % 100) for n in range(3)))
    consumers = [stream_of(redis, f"consumer-{number}", batch_size=7) for number in (2, 3)]
    await asyncio.gather(*(count_all(stats_database, consumer) for consumer in consumers))
    assert await rows(stats_database) == 100
    assert await total(stats_database) == 100
    assert sum((await in_buckets(stats_database)).values()) == 100


# Failures


async def test_no_click_is_lost_while_postgres_is_unavailable(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link, stores: Stores
) -> None:
    await add(redis, click_event(link.id))
    with refusing_port() as port:
        async with connect(at_port(stores.database_settings("any_test"), port)) as unavailable:
            with pytest.raises(StoreUnavailable):
                await count_batch(unavailable, stream)
    assert (await stream.backlog()).pending == 1
    await count_batch(stats_database, stream)
    await counted_once(stats_database)


async def test_a_batch_that_cannot_be_acknowledged_is_read_again_and_counted_once(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise StoreUnavailable

    await add(redis, click_event(link.id))
    with monkeypatch.context() as patch, pytest.raises(StoreUnavailable):  # noqa: PT012  # leaving the block may raise as well
        patch.setattr(stream, "acknowledge", fail)
        await count_batch(stats_database, stream)
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=0, skipped=1, dead_letters=0)
    await counted_once(stats_database)


async def test_counting_goes_on_after_redis_was_flushed(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await redis.flushall()
    await add(redis, click_event(link.id))
    await count_all(stats_database, stream)
    await counted_once(stats_database)


async def test_an_entry_without_events_is_skipped(
    stats_database: Database, redis: RedisClient, stream: ClickStream
) -> None:
    await redis.xadd(redis_keys.CLICK_STREAM, {"other": "x"})
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=0, skipped=0, dead_letters=0)
    assert (await stream.backlog()).entries == 0


@pytest.mark.parametrize("text", ["", "\x00", "\udcff", "😀" * 512, "'; DROP TABLE clicks; --", "%s"])
async def test_a_click_is_counted_whatever_its_headers_contain(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link, text: str
) -> None:
    await add(redis, click_event(link.id, user_agent=text, referrer=text, address=text))
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=1, skipped=0, dead_letters=0)


# Deleted and purged links


async def test_the_clicks_of_a_purged_link_are_skipped(
    stats_database: Database, writer_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    await add(redis, click_event(link.id))
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=0, skipped=1, dead_letters=0)
    assert await rows(stats_database) == 0


async def test_the_clicks_of_a_purged_link_do_not_keep_others_from_being_counted(
    stats_database: Database, writer_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    gone = await make_link(writer_database, owner_id=await make_owner(writer_database), code="gone")
    await changes.purge(writer_database, in_default_domain("gone"), based_on=None)
    await add(redis, click_event(gone.id, 1), click_event(link.id, 2))
    await count_batch(stats_database, stream)
    assert await total(stats_database) == 1


async def test_the_clicks_of_a_deleted_link_are_counted(
    stats_database: Database, writer_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    await add(redis, click_event(link.id))
    await count_batch(stats_database, stream)
    await counted_once(stats_database)


async def test_clicks_counted_during_a_purge_are_removed_by_it(
    stats_database: Database, writer_database: Database, link: Link, database: Database
) -> None:
    async with stats_database.transaction() as conn:
        fresh = await clicks.insert_new(conn, [click_of(click_event(link.id), VISITOR_SECRET)])
        purging = asyncio.create_task(changes.purge(writer_database, in_default_domain("abc"), based_on=None))
        await until(lambda: _waits_or_is_done(database, purging))
        await clicks.add_counts(conn, per_bucket(fresh))
    await purging
    assert await rows(stats_database) == 0
    assert await in_buckets(stats_database) == {}


async def _waits_or_is_done(database: Database, task: asyncio.Task[Link]) -> bool:
    return task.done() or await waits_for_a_lock(database)


async def test_a_batch_that_is_too_large_for_the_statement_timeout_is_tried_in_smaller_transactions(
    stats_database: Database, database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await database.execute(
        """
        CREATE FUNCTION too_many() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (SELECT count(*) FROM new_clicks) > 3 THEN PERFORM pg_sleep(60); END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER slow AFTER INSERT ON clicks REFERENCING NEW TABLE AS new_clicks
        FOR EACH STATEMENT EXECUTE FUNCTION too_many();
        GRANT EXECUTE ON FUNCTION too_many() TO boltlink_stats
        """
    )
    await add(redis, *[click_event(link.id, number) for number in range(1, 11)])
    batch_size = AdaptiveBatchSize(max_size=10, min_size=1)
    failures = 0
    async with connect(replace(stats_database._settings, statement_timeout=0.3)) as impatient_database:
        for _ in range(10):
            try:
                await count_batch(impatient_database, stream, batch_size)
            except StoreUnavailable:
                failures += 1
            else:
                break
    assert failures == 2, "transactions of 10 and of 5 clicks fail, those of 2 succeed"
    assert await total(stats_database) == 10
    assert await redis.xlen(redis_keys.CLICK_STREAM) == 0
    assert batch_size.size == 4, "the size doubles after a success"


async def test_a_consumer_that_dies_while_it_deletes_an_entry_leaves_no_pending_entry(
    stats_database: Database, redis: RedisClient, stream: ClickStream, link: Link
) -> None:
    await add(redis, click_event(link.id, 1))
    [entry] = await stream.read()
    await redis.xdel(redis_keys.CLICK_STREAM, entry.id)
    assert (await count_batch(stats_database, stream_of(redis))).counted == 0
    assert await stream.backlog() == Backlog(entries=0, pending=0, oldest_seconds=0.0, dead_letters=0)
