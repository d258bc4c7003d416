"""Add click events to the stream, count them, and read the tables and dead letters afterwards."""

import contextlib
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

from services.stats.counting import consumer
from services.stats.counting.batch_size import AdaptiveBatchSize
from services.stats.counting.consumer import BatchResult
from services.stats.counting.stream_reader import StreamReader
from shared.domain.codes import in_default_domain
from shared.domain.models import ClickEvent
from shared.postgres.pool import Database
from shared.postgres.tables import links
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from tests.support.builders import (
    NOON,
    VISITOR_SECRET,
    encoded,
)


def stream_of(
    redis: RedisClient, name: str = "consumer-1", *, batch_size: int = 100, claim_after: float = 60.0
) -> StreamReader:
    return StreamReader(redis, name, batch_size=batch_size, claim_after=claim_after, timeout=0.2)


async def add(redis: RedisClient, *events: ClickEvent | bytes) -> None:
    """Add one entry with some events."""
    written = [event if isinstance(event, bytes) else encoded(event) for event in events]
    await redis.xadd(redis_keys.CLICK_STREAM, {click_stream.FIELD: click_events.join(written)})


async def count_batch(
    database: Database, stream: StreamReader, batch_size: AdaptiveBatchSize | None = None
) -> BatchResult:
    return await consumer.count_batch(database, stream, VISITOR_SECRET, batch_size)


async def count_all(database: Database, stream: StreamReader) -> None:
    """Count until nothing is left in the stream."""
    while (await stream.backlog()).entries:
        await count_batch(database, stream)


async def rows(database: Database) -> int:
    row = await database.fetch_one("SELECT count(*) AS n FROM clicks")
    assert row is not None
    return int(row["n"])


async def in_buckets(database: Database) -> dict[tuple[datetime, bool], int]:
    found = await database.fetch_all("SELECT bucket, bot, clicks FROM click_counts")
    return {(row["bucket"], row["bot"]): row["clicks"] for row in found}


async def total(database: Database, code: str = "abc") -> int:
    link = await links.get(database, in_default_domain(code))
    assert link is not None
    return link.clicks


async def counted_once(database: Database) -> None:
    """Check that every table has exactly one click."""
    assert await rows(database) == 1
    assert await in_buckets(database) == {(NOON, False): 1}
    assert (await database.fetch_all("SELECT clicks, bot_clicks FROM link_totals")) == [{"clicks": 1, "bot_clicks": 0}]


async def stored_dead_letters(redis: RedisClient) -> list[tuple[bytes, bytes]]:
    entries: Any = await redis.xrange(redis_keys.DEAD_LETTERS)
    return [(fields[b"event"], fields[b"reason"]) for _, fields in entries]


@contextlib.asynccontextmanager
async def full(redis: RedisClient) -> AsyncIterator[None]:
    """Inside the block Redis has reached `maxmemory` and evicts nothing."""
    await redis.config_set("maxmemory-policy", "noeviction")
    await redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        await redis.config_set("maxmemory", 0)
        await redis.config_set("maxmemory-policy", "volatile-lfu")
