"""An event is counted once, also when it is delivered, spooled or read more than once."""

import asyncio
from pathlib import Path

from services.resolver.clicks.recorder import ClickRecorder
from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.spool import Spool
from services.resolver.clicks.stream_writer import StreamWriter
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.stats.counting.consumer import BatchResult
from services.stats.counting.stream_reader import StreamReader
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.redis import click_events
from shared.redis.client import RedisClient, redis_client
from tests.integration.counting import add, count_all, count_batch, counted_once, in_buckets, rows, stream_of, total
from tests.integration.stores import Stores
from tests.support.builders import click_event, count_clicks, encoded
from tests.support.network import at_port, refusing_port


async def test_an_event_twice_in_one_entry_is_counted_once(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id), click_event(link.id))
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=1, skipped=1, dead_letters=0)
    await counted_once(stats_database)


async def test_an_event_in_two_entries_of_a_batch_is_counted_once(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id))
    await add(redis, click_event(link.id))
    assert await count_batch(stats_database, stream) == BatchResult(entries=2, counted=1, skipped=1, dead_letters=0)
    await counted_once(stats_database)


async def test_an_event_in_two_batches_is_counted_once(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id))
    await count_batch(stats_database, stream)
    await add(redis, click_event(link.id))
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=0, skipped=1, dead_letters=0)
    await counted_once(stats_database)


async def test_an_event_of_two_resolvers_is_counted_once(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id, user_agent="seen by one resolver"))
    await add(redis, click_event(link.id, user_agent="seen by the other"))
    await count_all(stats_database, stream)
    await counted_once(stats_database)


async def test_an_event_is_counted_once_if_its_consumer_dies_between_commit_and_acknowledge(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id))
    (entry,) = await stream.read()
    await count_clicks(stats_database, *map(click_events.decode, click_events.split(entry.events)))
    assert await count_batch(stats_database, stream_of(redis)) == BatchResult(
        entries=1, counted=0, skipped=1, dead_letters=0
    )
    await counted_once(stats_database)


async def test_an_event_is_counted_once_if_its_consumer_dies_before_the_commit(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id))
    await stream.read()
    await count_batch(stats_database, stream_of(redis))
    await counted_once(stats_database)


async def test_an_event_is_counted_once_if_another_consumer_claims_it(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id))
    await stream.read()
    consumer_2 = stream_of(redis, "consumer-2", claim_after=0.01)
    await count_all(stats_database, consumer_2)
    await counted_once(stats_database)


async def test_an_event_is_counted_once_if_it_is_claimed_from_a_consumer_that_is_alive(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await add(redis, click_event(link.id))
    entries = await stream.read()
    await count_all(stats_database, stream_of(redis, "consumer-2", claim_after=0.01))
    await count_clicks(stats_database, *map(click_events.decode, click_events.split(entries[0].events)))
    await stream.acknowledge(entries)
    await counted_once(stats_database)


async def test_an_event_in_the_stream_and_in_the_spool_is_counted_once(
    stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link, spool: Spool
) -> None:
    await add(redis, click_event(link.id))
    await spool.append(encoded(click_event(link.id)))
    await ClickRecorder(redis, spool, StreamWriter(redis, ReplayBuffer()), CircuitBreaker()).drain_spool()
    await count_all(stats_database, stream)
    await counted_once(stats_database)


async def test_a_click_in_the_spool_is_counted_once_after_redis_was_unavailable(
    *, stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link, spool: Spool, stores: Stores
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
    *, stats_database: Database, redis: RedisClient, stream: StreamReader, link: Link, spool: Spool, tmp_path: Path
) -> None:
    await spool.append(encoded(click_event(link.id)))
    (path,) = await asyncio.to_thread(lambda: [*(tmp_path / "spool").iterdir()])
    content = path.read_bytes()
    await ClickRecorder(redis, spool, StreamWriter(redis, ReplayBuffer()), CircuitBreaker()).drain_spool()
    path.write_bytes(content)  # as if the resolver had died before it deleted the file
    await ClickRecorder(
        redis, Spool(tmp_path / "spool", 2**20), StreamWriter(redis, ReplayBuffer()), CircuitBreaker()
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
