"""What Redis may have lost of the newest changes: found out by a mark that it keeps, and put into the outbox again.

A machine that loses power leaves Redis without the last second of its append-only file, so with older records.
What it kept is a beginning of what it was told, in order. So the relay tells it, every now and then, until when all
changes are published, and which run of Redis heard that. A mark of another run says how much Redis still knows.
"""

import logging
from datetime import datetime, timedelta
from typing import Final

from shared.postgres.pool import Database
from shared.postgres.tables import outbox
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_errors

log = logging.getLogger(__name__)

INTERVAL: Final = 1.0
"""Seconds between two marks."""

MARGIN: Final = timedelta(seconds=60)
"""A change is dated by the begin of its transaction, which other transactions see later; none takes so long."""


async def recover(database: Database, redis: RedisClient) -> int:
    """Leave word again of every change that Redis may have lost, if it has started anew, and mark what it has now.

    How many changes there were. A Redis without a mark came back empty, or is new: it holds nothing that is old.
    Raises StoreUnavailable.
    """
    run, seen = await _look(redis)
    count = 0
    if seen is not None and seen[0] != run:
        count = await outbox.append_changed_since(database, seen[1] - MARGIN)
        log.warning("Redis has started anew; it is told again of %d changes", count)
    published_until = await outbox.published_until(database)
    with redis_errors():
        await redis.set(redis_keys.RELAY_MARK, f"{run} {published_until.isoformat()}")
    return count


async def _look(redis: RedisClient) -> tuple[str, tuple[str, datetime] | None]:
    """Redis's run, and its mark: a run, and until when all changes were published."""
    with redis_errors():
        async with redis.pipeline(transaction=True) as pipe:
            pipe.info("server")
            pipe.get(redis_keys.RELAY_MARK)
            server, mark = await pipe.execute()
    run, _, until = (mark or b"").decode().partition(" ")
    return str(server["run_id"]), (run, datetime.fromisoformat(until)) if until else None
