from functools import partial
from typing import Any

import pytest

from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.stream_writer import StreamWriter
from services.stats.counting.stream_reader import StreamReader
from shared.domain.errors import StoreUnavailable
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from tests.integration.stores import Stores
from tests.support.network import TcpProxy, at_port


@pytest.fixture
def replay_buffer() -> ReplayBuffer:
    return ReplayBuffer(max_clicks=100)


@pytest.fixture
async def writer(redis: RedisClient, replay_buffer: ReplayBuffer) -> StreamWriter:
    """A writer that has reconciled with Redis once, as at the start of a resolver."""
    writer = StreamWriter(redis, replay_buffer)
    await writer.reconcile()
    return writer


async def waiting(redis: RedisClient) -> list[bytes]:
    """The events in the stream."""
    entries: Any = await redis.xrange(redis_keys.CLICK_STREAM)
    return [event for _, fields in entries for event in click_events.split(fields[click_stream.FIELD])]


async def count_one_entry(redis: RedisClient) -> None:
    """Read and acknowledge the oldest entry, as a consumer does."""
    stream = StreamReader(redis, "consumer-1", batch_size=1, claim_after=60.0, timeout=2.0)
    entries = await stream.read() or await stream.read()
    await stream.acknowledge(entries)


async def test_added_clicks_are_in_the_stream(redis: RedisClient, writer: StreamWriter) -> None:
    await writer.add(b"a\x1eb")
    assert await waiting(redis) == [b"a", b"b"]


async def test_clicks_that_redis_lost_are_added_again(
    redis: RedisClient, writer: StreamWriter, replay_buffer: ReplayBuffer
) -> None:
    for batch in (b"a\x1eb", b"c"):
        await writer.add(batch)
    await redis.flushall()
    await writer.reconcile()
    assert await waiting(redis) == [b"a", b"b", b"c"]
    assert (replay_buffer.replayed, replay_buffer.lost) == (3, 0)


async def test_lost_clicks_are_added_again_once(redis: RedisClient, writer: StreamWriter) -> None:
    await writer.add(b"a")
    await redis.flushall()
    for _ in range(3):
        await writer.reconcile()
    assert await waiting(redis) == [b"a"]


async def test_clicks_that_redis_loses_twice_are_added_again_twice(
    redis: RedisClient, writer: StreamWriter, replay_buffer: ReplayBuffer
) -> None:
    await writer.add(b"a")
    for _ in range(3):
        await redis.flushall()
        await writer.reconcile()
    assert await waiting(redis) == [b"a"]
    assert replay_buffer.replayed == 3


async def test_counted_clicks_are_not_added_again(redis: RedisClient, writer: StreamWriter) -> None:
    for batch in (b"a", b"b", b"c"):
        await writer.add(batch)
    await count_one_entry(redis)
    await writer.reconcile()
    await redis.flushall()
    await writer.reconcile()
    assert await waiting(redis) == [b"b", b"c"]


async def test_if_all_clicks_are_counted_nothing_is_added_again(
    redis: RedisClient, writer: StreamWriter, replay_buffer: ReplayBuffer
) -> None:
    for batch in (b"a", b"b"):
        await writer.add(batch)
        await count_one_entry(redis)
    await writer.reconcile()
    await redis.flushall()
    await writer.reconcile()
    assert await waiting(redis) == []
    assert replay_buffer.replayed == 0


async def test_each_of_two_resolvers_adds_its_own_clicks_again(redis: RedisClient) -> None:
    pair = [StreamWriter(redis, ReplayBuffer()), StreamWriter(redis, ReplayBuffer())]
    for number, one in enumerate(pair):
        await one.reconcile()
        await one.add(b"%d" % number)
    await redis.flushall()
    for one in pair:
        await one.reconcile()
    assert await waiting(redis) == [b"0", b"1"]


async def test_of_too_many_clicks_the_newest_are_added_again_and_the_others_reported(
    redis: RedisClient, writer: StreamWriter, replay_buffer: ReplayBuffer
) -> None:
    for number in range(130):
        await writer.add(b"%d" % number)
    await redis.flushall()
    await writer.reconcile()
    assert await waiting(redis) == [b"%d" % number for number in range(30, 130)]
    assert (replay_buffer.replayed, replay_buffer.lost) == (100, 30)


def _one(number: int) -> list[bytes]:
    return [b"%d" % number]


async def test_of_clicks_with_too_many_bytes_the_newest_are_added_again(redis: RedisClient) -> None:
    """A batch of which one visit counts still keeps the bytes of all its visits."""
    replay_buffer = ReplayBuffer(max_bytes=1_000)
    writer = StreamWriter(redis, replay_buffer)
    await writer.reconcile()
    for number in range(20):
        replay_buffer.remember(b"%d-0" % number, 1, partial(_one, number), 300)
    await redis.flushall()
    await writer.reconcile()
    assert await waiting(redis) == [b"17", b"18", b"19"]
    assert (replay_buffer.replayed, replay_buffer.lost) == (3, 17)


async def test_forgotten_clicks_that_were_counted_are_not_reported_as_lost(
    redis: RedisClient, writer: StreamWriter, replay_buffer: ReplayBuffer
) -> None:
    for number in range(130):
        await writer.add(b"%d" % number)
    for _ in range(60):
        await count_one_entry(redis)
    await writer.reconcile()
    await redis.flushall()
    await writer.reconcile()
    assert await waiting(redis) == [b"%d" % number for number in range(60, 130)]
    assert replay_buffer.lost == 0


async def test_a_restarted_redis_gets_the_clicks_that_it_may_have_lost(
    redis: RedisClient, writer: StreamWriter
) -> None:
    """After a power failure the end of the append-only file is lost: the mark is still there, but the run id is new."""
    await writer.add(b"a")
    entry = await first_entry(redis)
    await redis.xdel(redis_keys.CLICK_STREAM, entry)
    writer._seen = replace_run(writer)
    await writer.reconcile()
    assert await waiting(redis) == [b"a"]


async def first_entry(redis: RedisClient) -> bytes:
    entries: Any = await redis.xrange(redis_keys.CLICK_STREAM, count=1)
    return bytes(entries[0][0])


def replace_run(writer: StreamWriter) -> Any:
    """The last seen state of Redis with another run id. (tests/chaos/test_redis_killed.py restarts Redis.)"""
    seen = writer._seen
    assert seen is not None
    return type(seen)(run="another", mark=seen.mark, first=seen.first)


async def test_clicks_that_could_not_be_added_again_are_added_the_next_time(
    stores: Stores, redis: RedisClient, proxy: TcpProxy
) -> None:
    async with redis_client(at_port(stores.redis_settings(timeout=0.3), proxy.port)) as proxied:
        writer = StreamWriter(proxied, ReplayBuffer())
        await writer.reconcile()
        await writer.add(b"a")
        await redis.flushall()
        await proxy.shut()
        with pytest.raises(StoreUnavailable):
            await writer.reconcile()
        await proxy.open()
        await writer.reconcile()
    assert await waiting(redis) == [b"a"]


async def test_clicks_that_arrive_during_a_replay_push_none_out_that_was_not_added_again_yet() -> None:
    """A click that was remembered when Redis lost the stream is added again, or is counted as lost.

    A full buffer forgets its oldest entry, which must not be one that is still to be added again.
    """
    buffer = ReplayBuffer(max_clicks=10)
    for number in range(10):
        buffer.remember(b"1-%d" % number, 1, lambda number=number: [b"old %d" % number], 1)  # type: ignore[misc]
    added: list[bytes] = []

    async def add(events: Any) -> bytes:
        added.extend(events)
        if len(added) <= 5:  # visitors go on meanwhile
            buffer.remember(b"2-%d" % (len(added) + 100), 1, lambda: [b"new"], 1)
        return b"2-%d" % len(added)

    buffer.count_forgotten_as_lost()
    await buffer.replay(add)
    again = {event for event in added if event.startswith(b"old")}
    assert len(again) + buffer.lost == 10
