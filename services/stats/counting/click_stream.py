"""The stream of clicks as a consumer of its group sees it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import ResponseError

from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_errors

log = logging.getLogger(__name__)

_READ_BYTES: Final = 8 * 2**20
"""What a read should bring at most."""

_BLOCK_TIMEOUT: Final = 1.0
"""Seconds that a read waits for new entries at most; always less than the client's own limit."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stream: some events in one text."""

    id: bytes
    events: bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that cannot be counted, and why."""

    event: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """Entries that are not counted yet: `pending` are being counted, or were when their consumer died.

    `dead_letters`: events that were set aside and wait for somebody to look at them.
    """

    entries: int
    pending: int
    oldest_seconds: float
    dead_letters: int


class ClickStream:
    """Reads entries for one consumer, and removes those that are counted."""

    def __init__(
        self, redis: RedisClient, consumer: str, *, batch_size: int, claim_after: float, timeout: float
    ) -> None:
        self._redis = redis
        self._consumer = consumer
        self._batch_size = batch_size
        self._claim_after_ms = round(claim_after * 1000)
        self._wait_ms = max(1, round(min(_BLOCK_TIMEOUT, timeout / 2) * 1000))
        self._count = batch_size
        self._own_first = True
        self._had_group = False
        self.lost = 0
        """How often Redis came back without the stream."""

    async def read(self) -> list[Entry]:
        """Entries to count: first what this consumer left when it last ended, then what a dead one left, then new ones.

        Waits up to a second for new ones. Raises StoreUnavailable; Redis may have given entries in an answer that was
        lost, or have forgotten that some were acknowledged, so what is this consumer's comes first again.
        """
        try:
            with redis_errors():
                return await self._read_or_make_group()
        except BaseException:
            self.start_over()
            raise

    def start_over(self) -> None:
        """Read again, first, what this consumer took and did not acknowledge."""
        self._own_first = True

    async def acknowledge(self, entries: Sequence[Entry], dead_letters: Sequence[DeadLetter] = ()) -> None:
        """Remove entries for good; call it after their clicks are committed. Raises StoreUnavailable.

        Events of theirs that are `dead_letters` are set aside in the same step, where people can look at them.
        """
        events = {one.event for one in dead_letters}
        apart = [entry for entry in entries if events and not events.isdisjoint(click_events.split(entry.events))]
        await self._remove([entry.id for entry in entries if entry not in apart])
        await self._set_aside([entry.id for entry in apart], dead_letters)

    async def _remove(self, ids: Sequence[bytes]) -> None:
        """Remove entries also from a full Redis, which needs it most and refuses every MULTI.

        Who dies between the two steps finds an entry that is empty, and has it acknowledged the next time.
        """
        if not ids:
            return
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xdel(redis_keys.CLICK_STREAM, *ids)
                pipe.xack(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP, *ids)
                await pipe.execute()

    async def _set_aside(self, ids: Sequence[bytes], dead_letters: Sequence[DeadLetter]) -> None:
        if not ids:
            return
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                for one in dead_letters:
                    pipe.xadd(
                        redis_keys.DEAD_LETTERS,
                        {redis_keys.DEAD_LETTER_EVENT: one.event, redis_keys.DEAD_LETTER_REASON: one.reason},
                        maxlen=redis_keys.MAX_DEAD_LETTERS,
                        approximate=True,
                    )
                pipe.xack(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP, *ids)
                pipe.xdel(redis_keys.CLICK_STREAM, *ids)
                await pipe.execute()

    async def backlog(self) -> Backlog:
        """What waits. Raises StoreUnavailable."""
        with redis_errors():
            entries = await self._redis.xlen(redis_keys.CLICK_STREAM)
            dead_letters = await self._redis.xlen(redis_keys.DEAD_LETTERS)
            first: Any = await self._redis.xrange(redis_keys.CLICK_STREAM, count=1)
            seconds, microseconds = await self._redis.time()
            try:
                pending = (await self._redis.xpending(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP))["pending"]
            except ResponseError:
                pending = 0
        made_ms = int(first[0][0].split(b"-")[0]) if first else None
        now_ms = seconds * 1000 + microseconds // 1000
        age = 0.0 if made_ms is None else max(0.0, (now_ms - made_ms) / 1000)
        return Backlog(entries, pending, age, dead_letters)

    async def _read_or_make_group(self) -> list[Entry]:
        try:
            return await self._read()
        except ResponseError as fault:
            if "NOGROUP" not in str(fault):
                raise
            await self._create_group()
            self._note_loss()
            return []

    async def _read(self) -> list[Entry]:
        entries = await self._next_entries()
        self._had_group = True
        self._adapt(entries)
        return entries

    def _adapt(self, entries: Sequence[Entry]) -> None:
        """Read fewer entries the next time when these were large, so that memory stays bounded whatever waits."""
        size = sum(len(entry.events) for entry in entries)
        self._count = max(1, self._count // 2) if size > _READ_BYTES else min(self._batch_size, self._count * 2)

    def _note_loss(self) -> None:
        """The group is gone. Where it was there before, Redis has lost the stream; the resolvers put it there again."""
        if self._had_group:
            log.error("Redis has lost the stream of clicks")
            self.lost += 1
        self._had_group = False

    async def _next_entries(self) -> list[Entry]:
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
            count=self._count,
            block=block,
        )
        return [entry for _, rows in _streams(answer) for entry in _entries(rows)]

    async def _claim(self) -> list[Entry]:
        answer: Any = await self._redis.xautoclaim(
            redis_keys.CLICK_STREAM,
            redis_keys.CLICK_GROUP,
            self._consumer,
            min_idle_time=self._claim_after_ms,
            count=self._count,
        )
        return _entries(answer[1])

    async def _create_group(self) -> None:
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
    return [Entry(entry_id, click_stream.events_of(fields)) for entry_id, fields in rows]
