import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from services.resolver.clicks.recorder import ClickRecorder
from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.spool import Spool
from services.resolver.clicks.stream_writer import StreamWriter
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from shared.domain.errors import StoreUnavailable
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from tests.integration.conftest import Stores
from tests.support.builders import click_event, encoded
from tests.support.network import TcpProxy, at_port, refusing_port, silent_port
from tests.support.waiting import until

LIMIT = 2**20


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with closing(Spool(tmp_path / "spool", LIMIT)) as found:
        yield found


@pytest.fixture
def clicks(redis: RedisClient, spool: Spool) -> ClickRecorder:
    return ClickRecorder(redis, spool, StreamWriter(redis, ReplayBuffer()), CircuitBreaker())


@pytest.fixture
async def proxied_clicks(
    stores: Stores, redis: RedisClient, spool: Spool, proxy: TcpProxy
) -> AsyncIterator[ClickRecorder]:
    """A recorder that reaches Redis only while the proxy is open; the fixture `redis` empties Redis."""
    assert redis
    async with redis_client(at_port(stores.redis_settings(timeout=0.2), proxy.port)) as proxied:
        yield ClickRecorder(proxied, spool, StreamWriter(proxied, ReplayBuffer()), CircuitBreaker())


def event(number: int = 1) -> bytes:
    return encoded(click_event(7, number))


async def stream_of(redis: RedisClient) -> list[list[bytes]]:
    """The entries of the stream, each as its events."""
    entries: Any = await redis.xrange(redis_keys.CLICK_STREAM)
    return [click_events.split(fields[click_stream.FIELD]) for _, fields in entries]


async def events_of(redis: RedisClient) -> list[bytes]:
    return sorted(event for entry in await stream_of(redis) for event in entry)


async def test_a_click_goes_into_the_stream(clicks: ClickRecorder, redis: RedisClient, spool: Spool) -> None:
    await clicks.record(event())
    assert await stream_of(redis) == [[event()]]
    assert spool.size == 0


async def test_the_stream_has_no_lifetime(clicks: ClickRecorder, redis: RedisClient) -> None:
    await clicks.record(event())
    assert await redis.ttl(redis_keys.CLICK_STREAM) == -1


async def test_simultaneous_clicks_share_one_entry(clicks: ClickRecorder, redis: RedisClient) -> None:
    await asyncio.gather(*(clicks.record(event(number)) for number in range(100)))
    assert await events_of(redis) == sorted(event(number) for number in range(100))
    assert len(await stream_of(redis)) == 1


async def test_a_recorded_click_is_in_the_stream_already(clicks: ClickRecorder, redis: RedisClient) -> None:
    async def record(number: int) -> None:
        await clicks.record(event(number))
        assert event(number) in await events_of(redis)

    await asyncio.gather(*(record(number) for number in range(20)))


async def test_while_redis_is_unavailable_clicks_go_into_the_spool(stores: Stores, spool: Spool) -> None:
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as unavailable:
            clicks = ClickRecorder(unavailable, spool, StreamWriter(unavailable, ReplayBuffer()), CircuitBreaker())
            await asyncio.gather(*(clicks.record(event(number)) for number in range(20)))
    assert await drained(spool) == sorted(event(number) for number in range(20))
    assert clicks.lost == 0


async def test_while_redis_does_not_reply_clicks_go_into_the_spool(stores: Stores, spool: Spool) -> None:
    with silent_port() as port:
        async with redis_client(at_port(stores.redis_settings(timeout=0.1), port)) as silent, asyncio.timeout(10):
            await ClickRecorder(silent, spool, StreamWriter(silent, ReplayBuffer()), CircuitBreaker()).record(event())
    assert await drained(spool) == [event()]


async def drained(spool: Spool) -> list[bytes]:
    """Drain a spool; its events in order."""
    batches: list[bytes] = []

    async def collect(batch: bytes) -> None:
        batches.append(batch)

    await spool.drain(collect)
    return sorted(event for batch in batches for event in click_events.split(batch))


async def test_the_spool_is_drained_into_the_stream_when_redis_is_available_again(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, redis: RedisClient, spool: Spool
) -> None:
    await proxy.shut()
    await proxied_clicks.record(event())
    assert await stream_of(redis) == []
    await proxy.open()
    assert await proxied_clicks.drain_spool() == 1
    assert await stream_of(redis) == [[event()]]
    assert spool.size == 0


async def test_a_drained_spool_is_not_drained_again(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, redis: RedisClient
) -> None:
    await proxy.shut()
    await proxied_clicks.record(event())
    await proxy.open()
    await proxied_clicks.drain_spool()
    assert await proxied_clicks.drain_spool() == 0
    assert len(await stream_of(redis)) == 1


async def test_while_redis_is_unavailable_the_spool_cannot_be_drained_and_keeps_its_clicks(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, spool: Spool
) -> None:
    await proxy.shut()
    await proxied_clicks.record(event())
    with pytest.raises(StoreUnavailable):
        await proxied_clicks.drain_spool()
    assert await drained(spool) == [event()]


async def test_clicks_go_into_the_stream_again_when_redis_is_available_again(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, redis: RedisClient
) -> None:
    await proxy.shut()
    await proxied_clicks.record(event(0))
    await proxy.open()

    async def arrives() -> bool:
        await proxied_clicks.record(event(1))
        return event(1) in await events_of(redis)

    await until(arrives)


async def test_a_click_that_redis_did_not_confirm_is_spooled_as_well(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, spool: Spool
) -> None:
    await proxied_clicks.record(event(0))
    proxy.freeze()
    await proxied_clicks.record(event(1))
    proxy.thaw()
    assert await drained(spool) == [event(1)]


async def test_a_new_resolver_drains_the_spool_of_the_old_one(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, redis: RedisClient, spool: Spool, tmp_path: Path
) -> None:
    await proxy.shut()
    await proxied_clicks.record(event())
    spool.close()
    left = Spool(tmp_path / "spool", LIMIT)
    assert left.size == spool.size > 0
    await ClickRecorder(redis, left, StreamWriter(redis, ReplayBuffer()), CircuitBreaker()).drain_spool()
    assert await stream_of(redis) == [[event()]]


async def test_batches_appended_while_the_spool_is_drained_are_kept(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, spool: Spool
) -> None:
    await proxy.shut()
    await proxied_clicks.record(event(1))
    await proxied_clicks.record(event(2))

    async def collect(batch: bytes) -> None:
        await spool.append(event(int(batch.split(b"\x1f")[2], 16) + 10))

    await spool.drain(collect)
    assert await drained(spool) == [event(11), event(12)]


async def test_a_click_that_a_full_spool_refuses_is_counted_as_lost(stores: Stores, tmp_path: Path) -> None:
    with refusing_port() as port, closing(Spool(tmp_path, limit=len(event()) + 8)) as small:
        async with redis_client(at_port(stores.redis_settings(), port)) as unavailable:
            clicks = ClickRecorder(unavailable, small, StreamWriter(unavailable, ReplayBuffer()), CircuitBreaker())
            await clicks.record(event(1))
            assert clicks.lost == 0
            await clicks.record(event(2))
            assert clicks.lost == 1


async def test_a_click_that_cannot_be_spooled_without_the_folder_is_counted_as_lost(
    proxied_clicks: ClickRecorder, proxy: TcpProxy, tmp_path: Path
) -> None:
    await proxy.shut()
    (tmp_path / "spool").rmdir()
    await proxied_clicks.record(event())
    assert proxied_clicks.lost == 1


async def test_a_drain_that_fails_continues_where_it_failed(spool: Spool) -> None:
    for number in range(3):
        await spool.append(event(number))
    drained_batches = []

    async def fail_at_the_second(batch: bytes) -> None:
        drained_batches.append(batch)
        if len(drained_batches) == 2:
            raise StoreUnavailable

    with pytest.raises(StoreUnavailable):
        await spool.drain(fail_at_the_second)
    assert await drained(spool) == [event(1), event(2)]


async def test_batches_are_drained_oldest_first(tmp_path: Path) -> None:
    drained_batches: list[bytes] = []

    async def collect(batch: bytes) -> None:
        drained_batches.append(batch)

    for number in range(12):  # one file each, because a restarted resolver begins a new file
        with closing(Spool(tmp_path, LIMIT)) as spool:
            await spool.append(event(number))
    await Spool(tmp_path, LIMIT).drain(collect)
    assert drained_batches == [event(number) for number in range(12)]


@pytest.mark.parametrize("extra_bytes", [1, 7, 8, 20])
async def test_a_truncated_record_is_skipped(spool: Spool, tmp_path: Path, extra_bytes: int) -> None:
    await spool.append(event(1))
    await spool.append(event(2))
    spool.close()
    (path,) = (tmp_path / "spool").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2 + extra_bytes])
    assert await drained(Spool(tmp_path / "spool", LIMIT)) == [event(1)]


async def test_a_record_with_a_wrong_checksum_is_skipped(spool: Spool, tmp_path: Path) -> None:
    await spool.append(event(1))
    await spool.append(event(2))
    spool.close()
    (path,) = (tmp_path / "spool").iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert await drained(Spool(tmp_path / "spool", LIMIT)) == [event(1)]
