"""Faults of the stores lose no click, and a click that cannot be counted does not block others."""

from dataclasses import replace

import pytest

from services.stats.counting.batch_size import AdaptiveBatchSize
from services.stats.counting.consumer import BatchResult
from services.stats.counting.stream_reader import Backlog, StreamReader
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.postgres.pool import Database, connect
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from tests.integration.counting import add, count_all, count_batch, counted_once, stream_of, total
from tests.integration.stores import Stores
from tests.support.builders import click_event
from tests.support.network import at_port, refusing_port


async def test_no_click_is_lost_while_postgres_is_unavailable(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link, stores: Stores
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
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link, monkeypatch: pytest.MonkeyPatch
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
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await redis.flushall()
    await add(redis, click_event(link.id))
    await count_all(stats_database, stream)
    await counted_once(stats_database)


async def test_an_entry_without_events_is_skipped(
    stats_database: Database, redis: RedisClient, stream: StreamReader
) -> None:
    await redis.xadd(redis_keys.CLICK_STREAM, {"other": "x"})
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=0, skipped=0, dead_letters=0)
    assert (await stream.backlog()).entries == 0


@pytest.mark.parametrize("text", ["", "\x00", "\udcff", "😀" * 512, "'; DROP TABLE clicks; --", "%s"])
async def test_a_click_is_counted_whatever_its_headers_contain(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link, text: str
) -> None:
    await add(redis, click_event(link.id, user_agent=text, referrer=text, address=text))
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=1, skipped=0, dead_letters=0)


async def test_a_batch_that_is_too_large_for_the_statement_timeout_is_tried_in_smaller_transactions(
    stats_database: Database, database: Database, redis: RedisClient, stream: StreamReader, link: Link
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
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id, 1))
    [entry] = await stream.read()
    await redis.xdel(redis_keys.CLICK_STREAM, entry.id)
    assert (await count_batch(stats_database, stream_of(redis))).counted == 0
    assert await stream.backlog() == Backlog(entries=0, pending=0, oldest_seconds=0.0, dead_letters=0)
