"""The publisher: writes committed changes to Redis at once. A change that fails is published by the relay later."""

import logging
from collections.abc import Sequence
from typing import Final

from services.writer.redis_sync.records import publish
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.process.batching import Batcher
from shared.redis.route_records import RouteRecords

log = logging.getLogger(__name__)

_BATCH: Final = 100
"""Records per call. Redis serves no redirects during a call, so it must take far less than a millisecond."""

_LOGGED_CODES: Final = 5


class Publisher:
    """Writes the records of changed links to Redis; changes that wait at the same time share one call."""

    def __init__(self, records: RouteRecords, link_lifetime: int) -> None:
        self._records = records
        self._link_lifetime = link_lifetime
        self._batcher: Batcher[Link, bool] = Batcher(self._publish, limit=_BATCH)

    async def publish(self, links: Sequence[Link]) -> None:
        """Publish committed changes. Errors of Redis are only logged, because the outbox has a message of each."""
        if len(links) == 1:
            await self._batcher.submit(links[0])
            return
        for first in range(0, len(links), _BATCH):
            if not all(await self._publish(links[first : first + _BATCH])):
                return

    async def _publish(self, links: Sequence[Link]) -> Sequence[bool]:
        try:
            await publish(self._records, links, self._link_lifetime)
        except StoreUnavailable as fault:
            codes = ", ".join(link.code for link in links[:_LOGGED_CODES])
            more = f" and {len(links) - _LOGGED_CODES} more" if len(links) > _LOGGED_CODES else ""
            log.warning("%s The relay will publish %s%s", fault.detail, codes, more)
            return [False] * len(links)
        return [True] * len(links)
