"""What this resolver has put into the stream and may not be counted yet: if Redis loses it, it goes in again.

Redis may come back empty (flushed, started without its data), or without the last second of its append-only file (a
machine that lost power). Clicks whose redirects were answered would be gone. So each batch is remembered here until the
stream has moved past it, which is soon: an entry leaves the stream once its clicks are committed. That Redis lost the
stream shows by a mark beside it, that it may have lost the end of it by the id of Redis's run; then all that is
remembered is added again. What was there all the same is counted once, by its ids.
"""

import logging
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.redis import click_events
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_errors

log = logging.getLogger(__name__)

MAX_CLICKS_REMEMBERED: Final = 50_000
"""Clicks that are remembered at most, the newest; of older ones, which a consumer is late with, only the number."""

MAX_BYTES: Final = 64 * 2**20
"""What they are made of has so many bytes at most: a batch keeps all its visits, though one of them alone may count."""

Events = Callable[[], Sequence[bytes]]

EntryId = tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Remembered:
    """One entry of the stream: how many clicks, and how to write their events again (None: forgotten), from how many
    bytes."""

    entry: bytes
    clicks: int
    events: Events | None
    size: int

    @property
    def id(self) -> EntryId:
        return _entry_id(self.entry)


@dataclass(frozen=True, slots=True)
class _Seen:
    """Redis at one moment: what it calls itself, the mark beside the stream, and the stream's first entry."""

    run: str
    mark: bytes
    first: EntryId | None


class ReplayBuffer:
    """The replay_buffer of one resolver, oldest first."""

    def __init__(
        self, redis: RedisClient, clicks_most: int = MAX_CLICKS_REMEMBERED, bytes_most: int = MAX_BYTES
    ) -> None:
        self._redis = redis
        self._clicks_most = clicks_most
        self._bytes_most = bytes_most
        self._remembered: deque[_Remembered] = deque()
        self._forgotten: deque[_Remembered] = deque()
        self._clicks = 0
        self._size = 0
        self._seen: _Seen | None = None
        self.restored = 0
        """Clicks that were put into the stream again."""
        self.lost = 0
        """Clicks that Redis has lost and that were remembered no more."""

    def remember(self, entry: bytes, clicks: int, events: Events, size: int) -> None:
        """Remember an entry; `size`: bytes that `events` keeps. Called for every batch, so it only appends."""
        self._remembered.append(_Remembered(entry, clicks, events, size))
        self._clicks += clicks
        self._size += size
        while self._clicks > self._clicks_most or self._size > self._bytes_most:
            self._forget(self._remembered.popleft())

    async def add(self, batch: bytes) -> None:
        """Put a batch into the stream that no visitor waits for. Raises StoreUnavailable."""
        await self._add(click_events.count(batch), lambda: [batch], len(batch))

    async def reconcile(self) -> None:
        """Let go of what the stream has moved past, and put what Redis lost into it again. Raises StoreUnavailable."""
        newest = self._remembered[-1].id if self._remembered else (0, 0)
        now = await self._look()
        before = self._seen
        if before is not None and now.mark != before.mark:
            self.lost += sum(remembered.clicks for remembered in self._forgotten)
            self._forgotten.clear()
        if before is not None and (now.mark, now.run) != (before.mark, before.run):
            log.warning("Redis has started anew or lost the stream; %d clicks are put into it again", self._clicks)
            await self._restore()
        else:
            self._let_go(now.first, newest)
        self._seen = now

    async def _look(self) -> _Seen:
        with redis_errors():
            await self._redis.set(redis_keys.STREAM_MARK, uuid.uuid4().hex, nx=True)
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.get(redis_keys.STREAM_MARK)
                pipe.xrange(redis_keys.CLICK_STREAM, count=1)
                pipe.info("server")
                answers: Any = await pipe.execute()
        mark, first, server = answers
        return _Seen(str(server["run_id"]), mark, _entry_id(first[0][0]) if first else None)

    async def _restore(self) -> None:
        for _ in range(len(self._remembered)):
            remembered = self._remembered.popleft()
            self._clicks -= remembered.clicks
            self._size -= remembered.size
            assert remembered.events is not None
            try:
                await self._add(remembered.clicks, remembered.events, remembered.size)
            except BaseException:
                self._remembered.appendleft(remembered)
                self._clicks += remembered.clicks
                self._size += remembered.size
                raise
            self.restored += remembered.clicks

    async def _add(self, clicks: int, events: Events, size: int) -> None:
        with redis_errors():
            batch = click_events.join(events())
            entry: Any = await self._redis.xadd(redis_keys.CLICK_STREAM, {redis_keys.CLICK_FIELD: batch})
        self.remember(entry, clicks, events, size)

    def _let_go(self, first: EntryId | None, newest: EntryId) -> None:
        """Drop what stands before the stream's first entry; where it is empty, all that was there when it was seen."""
        for replay_buffer in (self._forgotten, self._remembered):
            while replay_buffer and (replay_buffer[0].id < first if first else replay_buffer[0].id <= newest):
                remembered = replay_buffer.popleft()
                self._clicks -= remembered.clicks if remembered.events else 0
                self._size -= remembered.size

    def _forget(self, remembered: _Remembered) -> None:
        """Keep the number alone; that of many entries under the last one's id."""
        self._clicks -= remembered.clicks
        self._size -= remembered.size
        clicks = remembered.clicks
        if self._forgotten and self._forgotten[-1].clicks < self._clicks_most // 10:
            clicks += self._forgotten.pop().clicks
        self._forgotten.append(_Remembered(remembered.entry, clicks, None, 0))


def _entry_id(text: bytes) -> EntryId:
    milliseconds, _, number = text.partition(b"-")
    return int(milliseconds), int(number)
