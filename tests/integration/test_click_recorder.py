"""A click goes into the stream, or into the spool while Redis is unavailable; what neither takes counts as lost."""

import asyncio
from contextlib import closing
from pathlib import Path

from services.resolver.clicks.recorder import ClickRecorder
from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.spool import Spool
from services.resolver.clicks.stream_writer import StreamWriter
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from tests.integration.recording import drained, event, events_of, stream_of
from tests.integration.stores import Stores
from tests.support.network import TcpProxy, at_port, refusing_port, silent_port
from tests.support.waiting import until


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
