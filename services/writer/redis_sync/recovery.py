"""Recovery: find out by a mark in Redis which of the newest changes Redis may have lost, and publish them again.

When a machine loses power, Redis loses up to the last second of its append-only file, and restarts with older records.
The writes before that are complete and in order. Therefore the relay writes a mark to Redis every second: the run id of
Redis, and the time until which all changes were published. A mark of an earlier run shows what Redis has kept.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from shared.postgres.pool import Database
from shared.postgres.tables import outbox
from shared.redis import keys
from shared.redis.client import RedisClient, redis_errors

log = logging.getLogger(__name__)

INTERVAL: Final = 1.0
"""Seconds between two marks."""

MARGIN: Final = timedelta(seconds=60)
"""A change is dated by the start of its transaction but visible after the commit; no transaction takes this long."""


async def recover(database: Database, redis: RedisClient) -> int:
    """After a restart of Redis, write outbox messages for all changes that Redis may have lost; then write the mark.

    Returns the number of those changes. A Redis without a mark is new or was emptied, so it has no outdated records.
    Raises StoreUnavailable.
    """
    run, mark = await _read_mark(redis)
    count = 0
    if mark is not None and mark[0] != run:
        count = await outbox.append_changed_since(database, mark[1] - MARGIN)
        log.warning("Redis has restarted; %d changes are published again", count)
    published_until = await outbox.published_until(database)
    with redis_errors():
        await redis.set(keys.RELAY_MARK, f"{run} {published_until.isoformat()}")
    return count


async def _read_mark(redis: RedisClient) -> tuple[str, tuple[str, datetime] | None]:
    """The run id of Redis, and the mark: a run id, and the time until which all changes were published."""
    with redis_errors():
        async with redis.pipeline(transaction=True) as pipe:
            pipe.info("server")
            pipe.get(keys.RELAY_MARK)
            server, mark = await pipe.execute()
    run, _, until = (mark or b"").decode().partition(" ")
    return str(server["run_id"]), (run, datetime.fromisoformat(until)) if until else None
