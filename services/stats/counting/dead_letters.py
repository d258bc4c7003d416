"""The dead letters, events that could not be counted: show them, and put them back into the click stream."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, Final

from services.stats.counting.stream_reader import DeadLetter
from shared.domain.errors import StoreUnavailable
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_errors

log = logging.getLogger(__name__)

_BATCH_SIZE: Final = 500

FORMER_INTERVAL: Final = 10.0
"""Seconds between two looks for dead letters of an earlier release."""

_MOVE_FORMER: Final = """
local former, current = KEYS[1], KEYS[2]
if redis.call('EXISTS', former) == 0 then return 0 end
local count = redis.call('XLEN', former)
if redis.call('XLEN', current) == 0 then
  redis.call('RENAME', former, current)
  return count
end
local entries = redis.call('XRANGE', former, '-', '+', 'COUNT', ARGV[1])
for _, entry in ipairs(entries) do
  redis.call('XADD', current, '*', unpack(entry[2]))
  redis.call('XDEL', former, entry[1])
end
if count == #entries then redis.call('DEL', former) end
return #entries
"""


async def move_former(redis: RedisClient) -> int:
    """Move all dead letters of an earlier release to the stream of this one. Returns how many were moved.

    If there are no dead letters in the stream yet, the former one is renamed, which keeps the times of its entries and
    needs no memory. Otherwise each script call moves some entries in one step: none is lost, and a call that is
    repeated because its reply was lost moves the next ones. Raises StoreUnavailable; the next call moves the rest.
    """
    script = redis.register_script(_MOVE_FORMER)
    keys = [redis_keys.FORMER_DEAD_LETTERS, redis_keys.DEAD_LETTERS]
    moved = 0
    while True:
        with redis_errors():
            moved_now = int(await script(keys=keys, args=[_BATCH_SIZE]))
        moved += moved_now
        if not moved_now:
            break
    if moved:
        log.info("%d dead letters were moved from the stream of an earlier release", moved)
    return moved


class FormerDeadLetters:
    """Moves the dead letters of an earlier release, at the start and then every `FORMER_INTERVAL` seconds.

    It does not stop after the first time, because during an upgrade a consumer of the earlier release may still run.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = clock()

    async def move_if_due(self, redis: RedisClient) -> None:
        """Move them if the time has come. A failure is logged, and does not stop the consumer from counting."""
        if self._clock() < self._due:
            return
        self._due = self._clock() + FORMER_INTERVAL
        try:
            await move_former(redis)
        except StoreUnavailable as fault:
            log.warning("dead letters of an earlier release cannot be moved yet: %s", fault.detail)


async def count(redis: RedisClient) -> int:
    """The number of dead letters. Raises StoreUnavailable."""
    with redis_errors():
        return int(await redis.xlen(redis_keys.DEAD_LETTERS))


async def newest(redis: RedisClient, limit: int) -> list[tuple[datetime, DeadLetter]]:
    """The newest dead letters, newest first, each with the time at which it was stored. Raises StoreUnavailable."""
    with redis_errors():
        rows: Any = await redis.xrevrange(redis_keys.DEAD_LETTERS, count=limit)
    return [
        (datetime.fromtimestamp(int(entry_id.split(b"-")[0]) / 1000, UTC), _dead_letter(row)) for entry_id, row in rows
    ]


async def replay(redis: RedisClient) -> int:
    """Move all dead letters back into the click stream. Returns how many events were moved.

    An event that fails again becomes a dead letter again. Each batch is moved in one transaction, so that no event is
    lost. A click that was counted before is not counted twice. Raises StoreUnavailable.
    """
    moved = 0
    async for rows in _batches(redis):
        events = click_events.join(_dead_letter(row).event for _, row in rows)
        with redis_errors():
            async with redis.pipeline(transaction=True) as pipeline:
                pipeline.execute_command(*click_stream.add_command(events))
                pipeline.xdel(redis_keys.DEAD_LETTERS, *(entry_id for entry_id, _ in rows))
                await pipeline.execute()
        moved += len(rows)
    return moved


async def _batches(redis: RedisClient) -> AsyncIterator[Any]:
    """All dead letters that are stored now, and none that is stored while they are moved."""
    with redis_errors():
        last: Any = await redis.xrevrange(redis_keys.DEAD_LETTERS, count=1)
    while last:
        with redis_errors():
            rows: Any = await redis.xrange(redis_keys.DEAD_LETTERS, max=last[0][0], count=_BATCH_SIZE)
        if not rows:
            return
        yield rows


def _dead_letter(row: dict[bytes, bytes]) -> DeadLetter:
    return DeadLetter(
        row.get(redis_keys.DEAD_LETTER_EVENT, b""), row.get(redis_keys.DEAD_LETTER_REASON, b"").decode(errors="replace")
    )
