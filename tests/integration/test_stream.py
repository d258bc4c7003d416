import asyncio
from typing import Any

import pytest

from services.stats.counting.click_stream import Backlog, ClickStream, DeadLetter, Entry
from shared.domain.errors import StoreUnavailable
from shared.redis import click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from tests.integration.conftest import Stores
from tests.support.network import at_port, refusing_port, silent_port
from tests.support.waiting import until


def stream_of(
    redis: RedisClient, consumer: str = "consumer-1", *, batch_size: int = 100, claim_after: float = 60.0
) -> ClickStream:
    return ClickStream(redis, consumer, batch_size=batch_size, claim_after=claim_after, timeout=0.2)


@pytest.fixture
async def stream(redis: RedisClient) -> ClickStream:
    """A stream whose group is there."""
    found = stream_of(redis)
    assert await found.read() == []
    return found


async def add(redis: RedisClient, *texts: bytes) -> None:
    for text in texts:
        await redis.xadd(redis_keys.CLICK_STREAM, {click_stream.FIELD: text})


def texts_of(entries: list[Entry]) -> list[bytes]:
    return [entry.events for entry in entries]


async def test_entries_are_read_in_their_order(stream: ClickStream, redis: RedisClient) -> None:
    await add(redis, b"a", b"b", b"c")
    assert texts_of(await stream.read()) == [b"a", b"b", b"c"]


async def test_entries_older_than_the_group_are_read(redis: RedisClient) -> None:
    await add(redis, b"before the first consumer")
    stream = stream_of(redis)
    await stream.read()
    assert texts_of(await stream.read()) == [b"before the first consumer"]


async def test_no_more_is_read_than_a_batch(redis: RedisClient) -> None:
    stream = stream_of(redis, batch_size=2)
    await stream.read()
    await add(redis, b"a", b"b", b"c")
    assert [texts_of(await stream.read()) for _ in range(2)] == [[b"a", b"b"], [b"c"]]


async def test_a_read_waits_for_an_entry(stream: ClickStream, redis: RedisClient) -> None:
    reading = asyncio.create_task(stream.read())
    await asyncio.sleep(0)
    await add(redis, b"a")
    assert texts_of(await reading) == [b"a"]


async def test_what_is_acknowledged_leaves_the_stream(stream: ClickStream, redis: RedisClient) -> None:
    await add(redis, b"a", b"b")
    await stream.acknowledge(await stream.read())
    assert await stream.backlog() == Backlog(entries=0, pending=0, oldest_seconds=0.0, dead_letters=0)


async def test_what_is_not_acknowledged_is_read_first_after_a_restart(stream: ClickStream, redis: RedisClient) -> None:
    await add(redis, b"a")
    await stream.read()
    await add(redis, b"b")
    restarted = stream_of(redis)
    assert [texts_of(await restarted.read())] == [[b"a"]]


async def test_what_is_not_acknowledged_is_read_again_on_demand(stream: ClickStream, redis: RedisClient) -> None:
    await add(redis, b"a")
    first = await stream.read()
    stream.reread_pending()
    assert await stream.read() == first


async def test_after_a_failure_a_consumer_reads_first_what_it_was_given(stores: Stores, redis: RedisClient) -> None:
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


async def test_after_what_it_left_a_consumer_reads_what_is_new(stream: ClickStream, redis: RedisClient) -> None:
    await add(redis, b"left")
    await stream.read()
    await add(redis, b"new")
    restarted = stream_of(redis)
    await restarted.acknowledge(await restarted.read())
    assert texts_of(await restarted.read()) == [b"new"]


async def test_two_consumers_share_the_entries(stream: ClickStream, redis: RedisClient) -> None:
    other = stream_of(redis, "consumer-2", batch_size=1)
    await add(redis, b"a", b"b", b"c")
    assert texts_of(await other.read()) == [b"a"]
    assert texts_of(await stream.read()) == [b"b", b"c"]


async def test_the_entries_of_a_dead_consumer_are_taken_over(stream: ClickStream, redis: RedisClient) -> None:
    await add(redis, b"a")
    await stream.read()
    other = stream_of(redis, "consumer-2", claim_after=0.01)
    taken: list[Entry] = []

    async def takes_over() -> bool:
        taken.extend(await other.read())
        return bool(taken)

    await until(takes_over)
    assert texts_of(taken) == [b"a"]


async def test_the_entries_of_a_living_consumer_are_left_to_it(stream: ClickStream, redis: RedisClient) -> None:
    await add(redis, b"a")
    await stream.read()
    await add(redis, b"b")
    other = stream_of(redis, "consumer-2", claim_after=60)
    assert texts_of(await other.read()) == [b"b"]


async def test_a_flushed_redis_gets_its_group_again(stream: ClickStream, redis: RedisClient) -> None:
    await redis.flushall()
    await add(redis, b"a")
    assert await stream.read() == []
    assert texts_of(await stream.read()) == [b"a"]


async def test_a_lost_group_is_made_again_from_the_first_entry(stream: ClickStream, redis: RedisClient) -> None:
    await add(redis, b"a", b"b")
    await stream.read()
    await redis.xgroup_destroy(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP)
    await stream.read()
    assert texts_of(await stream.read()) == [b"a", b"b"]


async def test_consumers_that_start_at_once_make_one_group(redis: RedisClient) -> None:
    ends = await asyncio.gather(*(stream_of(redis, f"consumer-{number}").read() for number in range(5)))
    assert ends == [[]] * 5


async def test_an_entry_that_was_deleted_meanwhile_is_read_as_an_empty_one(
    stream: ClickStream, redis: RedisClient
) -> None:
    await add(redis, b"a")
    (entry,) = await stream.read()
    await redis.xdel(redis_keys.CLICK_STREAM, entry.id)
    stream.reread_pending()
    assert await stream.read() == [Entry(entry.id, b"")]


async def test_an_entry_without_our_field_is_read_as_an_empty_one(stream: ClickStream, redis: RedisClient) -> None:
    await redis.xadd(redis_keys.CLICK_STREAM, {"other": "x"})
    assert texts_of(await stream.read()) == [b""]


async def test_what_is_set_aside_is_kept_with_its_reason(stream: ClickStream, redis: RedisClient) -> None:
    await add(redis, b"\xffbroken")
    await stream.acknowledge(await stream.read(), [DeadLetter(b"\xffbroken", "no event")])
    entries: Any = await redis.xrange(redis_keys.DEAD_LETTERS)
    assert [fields for _, fields in entries] == [{b"event": b"\xffbroken", b"reason": b"no event"}]
    assert await stream.backlog() == Backlog(entries=0, pending=0, oldest_seconds=0.0, dead_letters=1)


async def test_after_large_entries_fewer_are_read(redis: RedisClient) -> None:
    stream = stream_of(redis, batch_size=4)
    await stream.read()
    await add(redis, *[b"x" * 3 * 2**20] * 9)
    sizes = []
    while entries := await stream.read():
        sizes.append(len(entries))
        await stream.acknowledge(entries)
    assert sizes == [4, 2, 3]


async def test_a_stream_that_redis_has_lost_is_told(redis: RedisClient) -> None:
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


async def test_a_stream_that_was_never_there_is_no_loss(redis: RedisClient) -> None:
    stream = stream_of(redis)
    await stream.read()
    await stream.read()
    assert stream.losses == 0


async def test_the_backlog_counts_entries_and_those_of_them_that_are_taken(
    stream: ClickStream, redis: RedisClient
) -> None:
    await add(redis, b"a", b"b")
    await stream.read()
    await add(redis, b"c")
    backlog = await stream.backlog()
    assert (backlog.entries, backlog.pending) == (3, 2)


async def test_the_backlog_is_as_old_as_its_oldest_entry(stream: ClickStream, redis: RedisClient) -> None:
    seconds, _ = await redis.time()
    await redis.xadd(redis_keys.CLICK_STREAM, {click_stream.FIELD: b"old"}, id=f"{(seconds - 90) * 1000}-0")
    await add(redis, b"new")
    assert 90 <= (await stream.backlog()).oldest_seconds < 600


async def test_the_backlog_of_a_stream_without_a_group_is_told(redis: RedisClient) -> None:
    assert await stream_of(redis).backlog() == Backlog(entries=0, pending=0, oldest_seconds=0.0, dead_letters=0)


async def test_a_redis_that_is_away_raises_store_unavailable(stores: Stores) -> None:
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as away:
            for call in (
                stream_of(away).read(),
                stream_of(away).backlog(),
                stream_of(away).acknowledge([Entry(b"1-1", b"")]),
            ):
                with pytest.raises(StoreUnavailable):
                    await call


async def test_a_redis_that_says_nothing_raises_store_unavailable(stores: Stores) -> None:
    with silent_port() as port:
        async with redis_client(at_port(stores.redis_settings(timeout=0.1), port)) as silent, asyncio.timeout(10):
            with pytest.raises(StoreUnavailable):
                await stream_of(silent).read()
