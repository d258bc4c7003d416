"""Changes are shown in redirects at once; what Redis does not take, the relay takes there later, from the outbox."""

import logging
from collections.abc import Sequence
from typing import Final

from services.writer.redis_sync.relay import publish
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.process.batching import Batcher
from shared.redis.route_records import RouteRecords

log = logging.getLogger(__name__)

_PIECE: Final = 100
"""Records a call: while Redis writes them it answers no redirect, so a call must stay far below a millisecond."""


class Publisher:
    """Puts the records of changed links into Redis; changes that wait at the same time go in one call."""

    def __init__(self, records: RouteRecords, link_lifetime: int) -> None:
        self._records = records
        self._link_lifetime = link_lifetime
        self._batcher: Batcher[Link, bool] = Batcher(self._put, limit=_PIECE)

    async def publish(self, links: Sequence[Link]) -> None:
        """Show committed changes; never fails."""
        if len(links) == 1:
            await self._batcher.submit(links[0])
            return
        for first in range(0, len(links), _PIECE):
            if not all(await self._put(links[first : first + _PIECE])):
                return

    async def _put(self, links: Sequence[Link]) -> Sequence[bool]:
        try:
            await publish(self._records, links, self._link_lifetime)
        except StoreUnavailable:
            log.warning("Redis is away: the relay will publish %s", ", ".join(link.code for link in links[:5]))
            return [False] * len(links)
        return [True] * len(links)
