"""Events that could not be counted: look at them, and have them counted again."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, Final

from services.stats.counting.click_stream import DeadLetter
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_errors

_BATCH: Final = 500


async def waiting(redis: RedisClient) -> int:
    """How many events are set aside. Raises StoreUnavailable."""
    with redis_errors():
        return int(await redis.xlen(redis_keys.DEAD_LETTERS))


async def newest(redis: RedisClient, count: int) -> list[tuple[datetime, DeadLetter]]:
    """The events set aside last, and when. Raises StoreUnavailable."""
    with redis_errors():
        rows: Any = await redis.xrevrange(redis_keys.DEAD_LETTERS, count=count)
    return [
        (datetime.fromtimestamp(int(entry_id.split(b"-")[0]) / 1000, UTC), _dead_letter(row)) for entry_id, row in rows
    ]


async def replay(redis: RedisClient) -> int:
    """Move all dead letters back into the stream; how many events. What still fails becomes a dead letter again.

    Each batch moves in one step, so that none is lost, and a repeat is not counted twice. Raises StoreUnavailable.
    """
    moved = 0
    async for rows in _batches(redis):
        events = click_events.join(_dead_letter(row).event for _, row in rows)
        with redis_errors():
            async with redis.pipeline(transaction=True) as pipe:
                pipe.execute_command(*click_stream.add_command(events))
                pipe.xdel(redis_keys.DEAD_LETTERS, *(entry_id for entry_id, _ in rows))
                await pipe.execute()
        moved += len(rows)
    return moved


async def _batches(redis: RedisClient) -> AsyncIterator[Any]:
    """All that is set aside by now, but not what comes back meanwhile."""
    with redis_errors():
        last: Any = await redis.xrevrange(redis_keys.DEAD_LETTERS, count=1)
    while last:
        with redis_errors():
            rows: Any = await redis.xrange(redis_keys.DEAD_LETTERS, max=last[0][0], count=_BATCH)
        if not rows:
            return
        yield rows


def _dead_letter(row: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        row.get(redis_keys.DEAD_LETTER_EVENT, b""), row.get(redis_keys.DEAD_LETTER_REASON, b"").decode(errors="replace")
    )
