"""The stream of clicks as a consumer of its group sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ResponseError

from shared import redis_keys
from shared.resources import RedisClient, redis_errors

_WAIT_MOST: Final = 1.0
"""Seconds that a read waits for new entries at most; always less than the client's own limit."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stream: some events in one text."""

    id: bytes
    events: bytes


@dataclass(frozen=True, slots=True)
class Backlog:
    """Entries that are not counted yet: `pending` are being counted, or were when their consumer died."""

    entries: int
    pending: int
    oldest_seconds: float


class ClickStream:
    """Reads entries for one consumer, and removes those that are counted."""

    def __init__(
        self, redis: RedisClient, consumer: str, *, batch_size: int, claim_after: float, timeout: float
    ) -> None:
        self._redis = redis
        self._consumer = consumer
        self._batch_size = batch_size
        self._claim_after_ms = round(claim_after * 1000)
        self._wait_ms = max(1, round(min(_WAIT_MOST, timeout / 2) * 1000))
        self._own_first = True

    async def read(self) -> list[Entry]:
        """Entries to count: first what this consumer left when it last ended, then what a dead one left, then new ones.

        Waits up to a second for new ones. Raises StoreUnavailable.
        """
        with redis_errors():
            try:
                return await self._read()
            except ResponseError as fault:
                if "NOGROUP" not in str(fault):
                    raise
                await self._make_group()
                return []

    def start_over(self) -> None:
        """Read again, first, what this consumer took and did not acknowledge."""
        self._own_first = True

    async def acknowledge(self, entries: Sequence[Entry]) -> None:
        """Remove entries for good; call it after their clicks are committed. Raises StoreUnavailable."""
        ids = [entry.id for entry in entries]
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.xack(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP, *ids)
                pipe.xdel(redis_keys.CLICK_STREAM, *ids)
                await pipe.execute()

    async def set_aside(self, event: bytes, reason: str) -> None:
        """Keep an event that cannot be counted where people can look at it. Raises StoreUnavailable."""
        with redis_errors():
            await self._redis.xadd(
                redis_keys.BROKEN_CLICKS,
                {"event": event, "reason": reason},
                maxlen=redis_keys.BROKEN_LIMIT,
                approximate=True,
            )

    async def backlog(self) -> Backlog:
        """What waits. Raises StoreUnavailable."""
        with redis_errors():
            entries = await self._redis.xlen(redis_keys.CLICK_STREAM)
            first: Any = await self._redis.xrange(redis_keys.CLICK_STREAM, count=1)
            seconds, microseconds = await self._redis.time()
            try:
                pending = (await self._redis.xpending(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP))["pending"]
            except ResponseError:
                pending = 0
        made_ms = int(first[0][0].split(b"-")[0]) if first else None
        now_ms = seconds * 1000 + microseconds // 1000
        return Backlog(entries, pending, 0.0 if made_ms is None else max(0.0, (now_ms - made_ms) / 1000))

    async def _read(self) -> list[Entry]:
        if self._own_first:
            entries = await self._read_group("0")
            if entries:
                return entries
            self._own_first = False
        if claimed := await self._claim():
            return claimed
        return await self._read_group(">", block=self._wait_ms)

    async def _read_group(self, position: str, block: int | None = None) -> list[Entry]:
        answer: Any = await self._redis.xreadgroup(
            redis_keys.CLICK_GROUP,
            self._consumer,
            {redis_keys.CLICK_STREAM: position},
            count=self._batch_size,
            block=block,
        )
        return [entry for _, rows in _streams(answer) for entry in _entries(rows)]

    async def _claim(self) -> list[Entry]:
        answer: Any = await self._redis.xautoclaim(
            redis_keys.CLICK_STREAM,
            redis_keys.CLICK_GROUP,
            self._consumer,
            min_idle_time=self._claim_after_ms,
            count=self._batch_size,
        )
        return _entries(answer[1])

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP, id="0", mkstream=True)
        except ResponseError as fault:
            if "BUSYGROUP" not in str(fault):  # another consumer was faster
                raise


def _streams(answer: Any) -> list[tuple[bytes, Any]]:
    if not answer:
        return []
    return list(answer.items()) if isinstance(answer, dict) else list(answer)


def _entries(rows: Any) -> list[Entry]:
    return [Entry(entry_id, (fields or {}).get(redis_keys.CLICK_FIELD, b"")) for entry_id, fields in rows]
