"""Clicks into the stream, or the spool when Redis is away. A redirect is answered once its click is held."""

import logging
from collections.abc import Sequence
from typing import Any, Final

from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.spool import Spool, SpoolFull
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from shared.domain.errors import StoreUnavailable
from shared.process.batching import Batcher
from shared.redis import click_events
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_errors

log = logging.getLogger(__name__)

_HELD: Final = (True,)


class Clicks:
    """Takes click events; those that wait together are one entry of the stream."""

    def __init__(
        self, redis: RedisClient, spool: Spool, replay_buffer: ReplayBuffer, circuit_breaker: CircuitBreaker
    ) -> None:
        self._redis = redis
        self._replay_buffer = replay_buffer
        self._spool = spool
        self._circuit_breaker = circuit_breaker
        self._batcher: Batcher[bytes, bool] = Batcher(self._hold)
        self.lost = 0
        """Clicks that neither Redis nor the spool could hold."""
        self.spooled = 0
        """Clicks that went into the spool."""

    async def record(self, event: bytes) -> None:
        """Hold a click. Never raises for a store that is away: the visitor is not made to pay for that."""
        await self._batcher.submit(event)

    async def drain_spool(self) -> int:
        """Move what the spool holds into the stream; how many batches. Raises StoreUnavailable when Redis is away."""
        return await self._spool.drain(self._replay_buffer.add)

    async def _hold(self, events: list[bytes]) -> Sequence[bool]:
        batch = click_events.join(events)
        if not self._circuit_breaker.is_open:
            try:
                await self._add(batch, len(events))
            except StoreUnavailable:
                self._circuit_breaker.record_failure()
            else:
                self._circuit_breaker.record_success()
                return _HELD * len(events)
        try:
            await self._spool.append(batch)
            self.spooled += len(events)
        except SpoolFull as fault:
            self.lost += len(events)
            log.error("%d clicks are lost: Redis is away, and %s", len(events), fault)
        return _HELD * len(events)

    async def _add(self, batch: bytes, clicks: int) -> None:
        with redis_errors():
            entry: Any = await self._redis.xadd(redis_keys.CLICK_STREAM, {redis_keys.CLICK_FIELD: batch})
        self._replay_buffer.remember(entry, clicks, lambda: [batch], len(batch))
