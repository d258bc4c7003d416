"""Add clicks to the stream, except those of plain links, which the script of the fast path adds.

The clicks are remembered in the replay buffer until they are counted.

Redis may come back empty (flushed, started without its data) or without the last second of its append-only file (a
machine that lost power). A mark beside the stream shows that Redis lost the stream; the id of Redis's run shows that it
may have lost the stream's end. Then all that the replay buffer holds is added again.
"""

import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.resolver.clicks.replay_buffer import EntryId, ReplayBuffer, entry_id
from services.resolver.fast_path.raw_connection import RawRedisConnection, Reply, read_safely
from shared.domain.errors import StoreUnavailable
from shared.redis import click_events, click_stream, keys
from shared.redis.client import RedisClient, error_of, redis_errors

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _State:
    """Redis at one moment: the id of its run, the mark beside the stream, and the stream's first entry."""

    run: str
    mark: bytes
    first: EntryId | None


class StreamWriter:
    """Adds events to the stream of one Redis."""

    def __init__(self, redis: RedisClient, replay_buffer: ReplayBuffer) -> None:
        """`redis`: a client with time, for what no visitor waits for."""
        self._redis = redis
        self._replay_buffer = replay_buffer
        self._seen: _State | None = None

    async def add(self, events: bytes, redis: RedisClient | None = None) -> None:
        """Add joined events as one entry, by another client where a visitor waits. Raises StoreUnavailable."""
        entry = await click_stream.add(redis or self._redis, events)
        self._replay_buffer.remember(entry, click_events.count(events), lambda: [events], len(events))

    def send(
        self,
        connection: RawRedisConnection,
        events: Sequence[bytes],
        on_result: Callable[[StoreUnavailable | None], None],
    ) -> None:
        """Add events as one entry by a raw connection; `on_result` gets None, or why they were not added."""
        joined = click_events.join(events)

        def read(reply: Reply) -> StoreUnavailable | None:
            if isinstance(reply, Exception):
                return reply if isinstance(reply, StoreUnavailable) else error_of(reply)
            self._replay_buffer.remember(reply, len(events), lambda: [joined], len(joined))
            return None

        connection.send(click_stream.add_command(joined), lambda reply: on_result(read_safely(reply, read)))

    async def reconcile(self) -> None:
        """Release what the stream has moved past, and add again what Redis may have lost. Raises StoreUnavailable."""
        newest = self._replay_buffer.newest
        now, before = await self._state(), self._seen
        if before is not None and now.mark != before.mark:
            self._replay_buffer.count_forgotten_as_lost()
        if before is not None and (now.mark, now.run) != (before.mark, before.run):
            count = self._replay_buffer.clicks
            log.warning("Redis has restarted or lost the stream; %d clicks are added to the stream again", count)
            await self._replay_buffer.replay(self._add_events)
        else:
            self._replay_buffer.release(now.first, newest)
        self._seen = now

    async def _add_events(self, events: Sequence[bytes]) -> bytes:
        return await click_stream.add(self._redis, click_events.join(events))

    async def _state(self) -> _State:
        with redis_errors():
            await self._redis.set(keys.STREAM_MARK, uuid.uuid4().hex, nx=True)
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.get(keys.STREAM_MARK)
                pipe.xrange(keys.CLICK_STREAM, count=1)
                pipe.info("server")
                replies: Any = await pipe.execute()
        mark, first, server = replies
        return _State(str(server["run_id"]), mark, entry_id(first[0][0]) if first else None)
