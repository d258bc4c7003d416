"""Recorded clicks, in the stream and in the spool."""

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
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from tests.integration.stores import Stores
from tests.support.builders import click_event, encoded
from tests.support.network import TcpProxy, at_port

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


async def drained(spool: Spool) -> list[bytes]:
    """Drain a spool; its events in order."""
    batches: list[bytes] = []

    async def collect(batch: bytes) -> None:
        batches.append(batch)

    await spool.drain(collect)
    return sorted(event for batch in batches for event in click_events.split(batch))
