import asyncio
from typing import Any

import pytest

from services.stats.counting.stream_reader import Backlog, DeadLetter, Entry, StreamReader
from shared.domain.errors import StoreUnavailable
from shared.redis import click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from tests.integration.stores import Stores
from tests.support.network import at_port, refusing_port, silent_port
from tests.support.waiting import until


def stream_of(
    redis: RedisClient, consumer: str = "consumer-1", *, batch_size: int = 100, claim_after: float = 60.0
) -> StreamReader:
    return StreamReader(redis, consumer, batch_size=batch_size, claim_after=claim_after, timeout=0.2)


@pytest.fixture
async def stream(redis: RedisClient) -> StreamReader:
    """A stream whose group exists."""
    found = stream_of(redis)
    assert await found.read() == []
    return found


async def add(redis: RedisClient, *texts: bytes) -> None:
    for text in texts:
        await redis.xadd(redis_keys.CLICK_STREAM, {click_stream.FIELD: text})


def texts_of(entries: list[Entry]) -> list[bytes]:
    return [entry.events for entry in entries]


async def test_entries_are_read_in_their_order(stream: StreamReader, redis: RedisClient) -> None:
    await add(redis, b"a", b"b", b"c")
    assert texts_of(await stream.read()) == [b"a", b"b", b"c"]


async def test_entries_older_than_the_group_are_read(redis: RedisClient) -> None:
    await add(redis, b"before the first consumer")
    stream = stream_of(redis)
    await stream.read()
    assert texts_of(await stream.read()) == [b"before the first consumer"]


async def test_a_read_returns_at_most_one_batch(redis: RedisClient) -> None:
    stream = stream_of(redis, batch_size=2)
    await stream.read()
    await add(redis, b"a", b"b", b"c")
    assert [texts_of(await stream.read()) for _ in range(2)] == [[b"a", b"b"], [b"c"]]


async def test_a_read_waits_for_an_entry(stream: StreamReader, redis: RedisClient) -> None:
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    await add(redis, b"a")
    assert texts_of(await reading) == [b"a"]


async def test_acknowledged_entries_are_deleted(stream: StreamReader, redis: RedisClient) -> None:
    await add(redis, b"a", b"b")
    await stream.acknowledge(await stream.read())
    assert await stream.backlog() == Backlog(entries=0, pending=0, oldest_seconds=0.0, dead_letters=0)


async def test_a_restarted_consumer_reads_its_pending_entries_first(stream: StreamReader, redis: RedisClient) -> None:
    await add(redis, b"a")
    await stream.read()
    await add(redis, b"b")
    restarted = stream_of(redis)
    assert [texts_of(await restarted.read())] == [[b"a"]]


async def test_pending_entries_are_read_again_on_demand(stream: StreamReader, redis: RedisClient) -> None:
    await add(redis, b"a")
    first = await stream.read()
    stream.reread_pending()
    assert await stream.read() == first


async def test_after_a_failure_a_consumer_reads_its_pending_entries_first(stores: Stores, redis: RedisClient) -> None:
    async with redis_client(stores.redis_settings(timeout=0.3)) as own:
        stream = stream_of(own)
        assert await stream.read() == []
        await add(redis, b"a")
        first = await stream.read()
        await redis.client_pause(timeout=60_000, all=False)
        with pytest.raises(StoreUnavailable):
            await stream.read()
        await redis.client_unpause()
        assert await stream.read() == first


async def test_after_its_pending_entries_a_consumer_reads_new_ones(stream: StreamReader, redis: RedisClient) -> None:
    await add(redis, b"pending")
    await stream.read()
    await add(redis, b"new")
    restarted = stream_of(redis)
    await restarted.acknowledge(await restarted.read())
    assert texts_of(await restarted.read()) == [b"new"]


async def test_two_consumers_share_the_entries(stream: StreamReader, redis: RedisClient) -> None:
    other = stream_of(redis, "consumer-2", batch_size=1)
    await add(redis, b"a", b"b", b"c")
    assert texts_of(await other.read()) == [b"a"]
    assert texts_of(await stream.read()) == [b"b", b"c"]


async def test_the_entries_of_a_dead_consumer_are_claimed(stream: StreamReader, redis: RedisClient) -> None:
    await add(redis, b"a")
    await stream.read()
    other = stream_of(redis, "consumer-2", claim_after=0.01)
    claimed: list[Entry] = []

    async def claims() -> bool:
        claimed.extend(await other.read())
        return bool(claimed)

    await until(claims)
    assert texts_of(claimed) == [b"a"]


async def test_the_entries_of_a_running_consumer_are_not_claimed(stream: StreamReader, redis: RedisClient) -> None:
    await add(redis, b"a")
    await stream.read()
    await add(redis, b"b")
    other = stream_of(redis, "consumer-2", claim_after=60)
    assert texts_of(await other.read()) == [b"b"]


async def test_the_group_is_created_again_after_a_flush(stream: StreamReader, redis: RedisClient) -> None:
    await redis.flushall()
    await add(redis, b"a")
    assert await stream.read() == []
    assert texts_of(await stream.read()) == [b"a"]


async def test_a_lost_group_is_created_again_at_the_first_entry(stream: StreamReader, redis: RedisClient) -> None:
    await add(redis, b"a", b"b")
    await stream.read()
    await redis.xgroup_destroy(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP)
    await stream.read()
    assert texts_of(await stream.read()) == [b"a", b"b"]


async def test_consumers_that_start_at_the_same_time_create_one_group(redis: RedisClient) -> None:
    reads = await asyncio.gather(*(stream_of(redis, f"consumer-{number}").read() for number in range(5)))
    assert reads == [[]] * 5


async def test_a_pending_entry_that_was_deleted_is_read_as_an_empty_one(
    stream: StreamReader, redis: RedisClient
) -> None:
    await add(redis, b"a")
    (entry,) = await stream.read()
    await redis.xdel(redis_keys.CLICK_STREAM, entry.id)
    stream.reread_pending()
    assert await stream.read() == [Entry(entry.id, b"")]


async def test_an_entry_without_our_field_is_read_as_an_empty_one(stream: StreamReader, redis: RedisClient) -> None:
    await redis.xadd(redis_keys.CLICK_STREAM, {"other": "x"})
    assert texts_of(await stream.read()) == [b""]


async def test_a_dead_letter_is_stored_with_its_reason(stream: StreamReader, redis: RedisClient) -> None:
    await add(redis, b"\xffjunk")
    await stream.acknowledge(await stream.read(), [DeadLetter(b"\xffjunk", "no event")])
    entries: Any = await redis.xrange(redis_keys.DEAD_LETTERS)
    assert [fields for _, fields in entries] == [{b"event": b"\xffjunk", b"reason": b"no event"}]
    assert await stream.backlog() == Backlog(entries=0, pending=0, oldest_seconds=0.0, dead_letters=1)


async def test_fewer_entries_are_read_after_large_ones(redis: RedisClient) -> None:
    stream = stream_of(redis, batch_size=4)
    await stream.read()
    await add(redis, *[b"x" * 3 * 2**20] * 9)
    sizes = []
    while entries := await stream.read():
        sizes.append(len(entries))
        await stream.acknowledge(entries)
    assert sizes == [4, 2, 3]


async def test_a_lost_stream_is_counted_once(redis: RedisClient) -> None:
    stream = stream_of(redis, batch_size=2)
    await stream.read()
    await add(redis, *[b"a\x1eb"] * 5)
    await stream.acknowledge(await stream.read())
    await redis.flushall()
    assert await stream.read() == []
    assert stream.losses == 1
    await add(redis, b"c")
    assert texts_of(await stream.read()) == [b"c"]
    assert stream.losses == 1


async def test_a_stream_that_never_existed_is_no_loss(redis: RedisClient) -> None:
    stream = stream_of(redis)
    await stream.read()
    await stream.read()
    assert stream.losses == 0


async def test_the_backlog_has_the_numbers_of_all_and_of_pending_entries(
    stream: StreamReader, redis: RedisClient
) -> None:
    await add(redis, b"a", b"b")
    await stream.read()
    await add(redis, b"c")
    backlog = await stream.backlog()
    assert (backlog.entries, backlog.pending) == (3, 2)


async def test_the_backlog_has_the_age_of_the_oldest_entry(stream: StreamReader, redis: RedisClient) -> None:
    seconds, _ = await redis.time()
    await redis.xadd(redis_keys.CLICK_STREAM, {click_stream.FIELD: b"old"}, id=f"{(seconds - 90) * 1000}-0")
    await add(redis, b"new")
    assert 90 <= (await stream.backlog()).oldest_seconds < 600


async def test_the_backlog_without_a_group_is_empty(redis: RedisClient) -> None:
    assert await stream_of(redis).backlog() == Backlog(entries=0, pending=0, oldest_seconds=0.0, dead_letters=0)


async def test_an_unavailable_redis_raises_store_unavailable(stores: Stores) -> None:
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as unavailable:
            for call in (
                stream_of(unavailable).read(),
                stream_of(unavailable).backlog(),
                stream_of(unavailable).acknowledge([Entry(b"1-1", b"")]),
            ):
                with pytest.raises(StoreUnavailable):
                    await call


async def test_a_redis_that_does_not_reply_raises_store_unavailable(stores: Stores) -> None:
    with silent_port() as port:
        async with redis_client(at_port(stores.redis_settings(timeout=0.1), port)) as silent, asyncio.timeout(10):
            with pytest.raises(StoreUnavailable):
                await stream_of(silent).read()
