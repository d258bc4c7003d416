"""Record clicks: in the stream, or in the spool when Redis does not take them. A redirect waits until that is done."""

import logging
from collections.abc import Sequence
from typing import Final

from services.resolver.clicks.spool import Spool, SpoolFull
from services.resolver.clicks.stream_writer import StreamWriter
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from shared.domain.errors import StoreFull, StoreUnavailable
from shared.process.batching import Batcher
from shared.redis import click_events
from shared.redis.client import RedisClient

log = logging.getLogger(__name__)

_RECORDED: Final = (True,)


class ClickRecorder:
    """Records click events; events that wait at the same time share an entry of the stream."""

    def __init__(
        self, redis: RedisClient, spool: Spool, stream_writer: StreamWriter, circuit_breaker: CircuitBreaker
    ) -> None:
        self._redis = redis
        self._stream_writer = stream_writer
        self._spool = spool
        self._circuit_breaker = circuit_breaker
        self._batcher: Batcher[bytes, bool] = Batcher(self._record)
        self.lost = 0
        """Clicks that neither Redis nor the spool took."""
        self.spooled = 0
        """Clicks that were written to the spool."""

    async def record(self, event: bytes) -> None:
        """Record a click. Never raises for an unavailable store: the visitor gets the redirect in any case."""
        await self._batcher.submit(event)

    async def drain_spool(self) -> int:
        """Move the batches of the spool into the stream; their number.

        Raises StoreUnavailable when Redis does not take a batch; the next call continues with it.
        """
        return await self._spool.drain(self._stream_writer.add)

    async def _record(self, events: list[bytes]) -> Sequence[bool]:
        joined = click_events.join(events)
        if not await self._add(joined):
            await self._write_to_spool(joined, len(events))
        return _RECORDED * len(events)

    async def _add(self, joined: bytes) -> bool:
        if self._circuit_breaker.is_open:
            return False
        try:
            await self._stream_writer.add(joined, self._redis)
        except StoreFull:  # a full Redis still serves lookups
            return False
        except StoreUnavailable:
            self._circuit_breaker.record_failure()
            return False
        self._circuit_breaker.record_success()
        return True

    async def _write_to_spool(self, joined: bytes, count: int) -> None:
        try:
            await self._spool.append(joined)
            self.spooled += count
        except SpoolFull as fault:
            self.lost += count
            log.error("%d clicks are lost, because Redis does not take them. %s", count, fault)
