"""The reader of the consumer group: how one consumer reads the click stream."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.exceptions import OutOfMemoryError, ResponseError

from services.stats.counting.read_order import ReadOrder
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_errors

log = logging.getLogger(__name__)

MAX_READ_BYTES: Final = 8 * 2**20
"""After a read of more bytes the next one asks for half as many entries."""

BLOCK_TIMEOUT: Final = 1.0
"""Seconds that a read waits for new entries, or half of the client's timeout if that is less."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the stream. `events` holds one or more click events (`shared/redis/click_events.py`)."""

    id: bytes
    events: bytes


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that cannot be counted, and the reason."""

    event: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is not counted yet.

    `entries`: all entries of the stream. `pending`: those that a consumer has read and not acknowledged; it counts them
    now, or it died. `oldest_seconds`: the age of the oldest entry. `dead_letters`: events in the dead-letter stream.
    """

    entries: int
    pending: int
    oldest_seconds: float
    dead_letters: int


class StreamReader:
    """Reads entries of the stream for one consumer of the group, and deletes those that are counted.

    A full Redis deletes entries but stores no dead letters. Entries with dead letters are then postponed (`ReadOrder`):
    they are tried again after `claim_after`, and meanwhile all others are counted.

    `batch_size`: the maximum number of entries in one read. `claim_after`: seconds after which an entry that another
    consumer has read and not acknowledged is read by this one. `timeout`: that of the Redis client.
    """

    def __init__(
        self, redis: RedisClient, consumer: str, *, batch_size: int, claim_after: float, timeout: float
    ) -> None:
        self._redis = redis
        self._consumer = consumer
        self._batch_size = batch_size
        self._min_idle_ms = round(claim_after * 1000)
        self._block_ms = max(1, round(min(BLOCK_TIMEOUT, timeout / 2) * 1000))
        self._read_count = batch_size
        self._order = ReadOrder()
        self._postpones = False
        self._group_was_there = False
        self.losses = 0
        """How many times Redis has lost the stream."""

    async def read(self) -> list[Entry]:
        """Read entries: first the pending ones of this consumer, then those of a dead consumer, then new ones.

        Waits up to a second for new entries. Raises StoreUnavailable; the next read then begins with the pending
        entries of this consumer again, because Redis may have delivered entries in a reply that was lost, or may have
        forgotten that entries were acknowledged.
        """
        try:
            with redis_errors():
                return await self._read_or_create_group()
        except BaseException:
            self.reread_pending()
            raise

    def reread_pending(self) -> None:
        """Make the next read begin with the entries that this consumer has read and not acknowledged."""
        self._order.reread_pending()

    async def acknowledge(self, entries: Sequence[Entry], dead_letters: Sequence[DeadLetter] = ()) -> bool:
        """Delete entries from the stream; call it after their clicks are committed. Raises StoreUnavailable.

        Entries with an event of `dead_letters` are deleted in the same transaction that adds the dead letters to the
        dead-letter stream. Returns False if Redis is too full for that; then these entries are postponed.
        """
        events = {dead_letter.event for dead_letter in dead_letters}
        ids: list[bytes] = []
        ids_with_dead_letters: list[bytes] = []
        for entry in entries:
            has_dead_letters = events and not events.isdisjoint(click_events.split(entry.events))
            (ids_with_dead_letters if has_dead_letters else ids).append(entry.id)
        await self._delete(ids)
        return await self._store_dead_letters(ids_with_dead_letters, dead_letters)

    async def _delete(self, ids: Sequence[bytes]) -> None:
        """Delete entries, without MULTI: a full Redis refuses every MULTI, and needs these deletions most of all.

        A consumer that dies between the two commands leaves a pending entry without content, which is acknowledged when
        it is read again.
        """
        if not ids:
            return
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.xdel(redis_keys.CLICK_STREAM, *ids)
                pipeline.xack(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP, *ids)
                await pipeline.execute()

    async def _store_dead_letters(self, ids: Sequence[bytes], dead_letters: Sequence[DeadLetter]) -> bool:
        if not ids:
            return True
        with redis_errors():
            try:
                await self._move_to_dead_letters(ids, dead_letters)
            except OutOfMemoryError:
                if not self._postpones:
                    log.error("Redis is full and stores no dead letters; their entries stay in the stream meanwhile")
                self._postpones = True
                self._order.postpone(ids)
                return False
        self._postpones = False
        return True

    async def _move_to_dead_letters(self, ids: Sequence[bytes], dead_letters: Sequence[DeadLetter]) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            for dead_letter in dead_letters:
                pipeline.xadd(
                    redis_keys.DEAD_LETTERS,
                    {
                        redis_keys.DEAD_LETTER_EVENT: dead_letter.event,
                        redis_keys.DEAD_LETTER_REASON: dead_letter.reason,
                    },
                    maxlen=redis_keys.MAX_DEAD_LETTERS,
                    approximate=True,
                )
            pipeline.xack(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP, *ids)
            pipeline.xdel(redis_keys.CLICK_STREAM, *ids)
            await pipeline.execute()

    async def backlog(self) -> Backlog:
        """What is not counted yet. Raises StoreUnavailable."""
        with redis_errors():
            entries = await self._redis.xlen(redis_keys.CLICK_STREAM)
            dead_letters = await self._redis.xlen(redis_keys.DEAD_LETTERS)
            first: Any = await self._redis.xrange(redis_keys.CLICK_STREAM, count=1)
            seconds, microseconds = await self._redis.time()
            try:
                pending = (await self._redis.xpending(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP))["pending"]
            except ResponseError:
                pending = 0
        added_ms = int(first[0][0].split(b"-")[0]) if first else None
        now_ms = seconds * 1000 + microseconds // 1000
        age = 0.0 if added_ms is None else max(0.0, (now_ms - added_ms) / 1000)
        return Backlog(entries, pending, age, dead_letters)

    async def _read_or_create_group(self) -> list[Entry]:
        try:
            entries = await self._next_entries()
        except ResponseError as fault:
            if "NOGROUP" not in str(fault):
                raise
            await self._create_group()
            self._record_missing_group()
            return []
        self._group_was_there = True
        self._adapt_read_count(entries)
        return entries

    def _adapt_read_count(self, entries: Sequence[Entry]) -> None:
        """Read fewer entries the next time when these were large, so that memory stays bounded."""
        size = sum(len(entry.events) for entry in entries)
        if size > MAX_READ_BYTES:
            self._read_count = max(1, self._read_count // 2)
        else:
            self._read_count = min(self._batch_size, self._read_count * 2)

    def _record_missing_group(self) -> None:
        """If this consumer has read from the group before, Redis has lost the stream; the resolvers restore it."""
        if self._group_was_there:
            log.error("Redis has lost the click stream")
            self.losses += 1
        self._group_was_there = False

    async def _next_entries(self) -> list[Entry]:
        if self._order.pending_after is not None:
            if pending := await self._read_group(self._order.pending_after):
                return pending
            self._order.pending_after = None
        if self._order.claims:
            claimed = await self._claim()
            self._order.record_claim([entry.id for entry in claimed])
            if claimed:
                return claimed
        self._order.record_new()
        return await self._read_group(b">", block=self._block_ms)

    async def _read_group(self, position: bytes, block: int | None = None) -> list[Entry]:
        reply: Any = await self._redis.xreadgroup(
            redis_keys.CLICK_GROUP,
            self._consumer,
            {redis_keys.CLICK_STREAM: position},
            count=self._read_count,
            block=block,
        )
        return [entry for _, rows in _streams(reply) for entry in _entries(rows)]

    async def _claim(self) -> list[Entry]:
        reply: Any = await self._redis.xautoclaim(
            redis_keys.CLICK_STREAM,
            redis_keys.CLICK_GROUP,
            self._consumer,
            min_idle_time=self._min_idle_ms,
            start_id=self._order.claim_from,
            count=self._read_count,
        )
        return _entries(reply[1])

    async def _create_group(self) -> None:
        try:
            await self._redis.xgroup_create(redis_keys.CLICK_STREAM, redis_keys.CLICK_GROUP, id="0", mkstream=True)
        except ResponseError as fault:
            if "BUSYGROUP" not in str(fault):  # another consumer has created it meanwhile
                raise


def _streams(reply: Any) -> list[tuple[bytes, Any]]:
    if not reply:
        return []
    return list(reply.items()) if isinstance(reply, dict) else list(reply)


def _entries(rows: Any) -> list[Entry]:
    return [Entry(entry_id, click_stream.events_of(fields)) for entry_id, fields in rows]
