"""What Redis does not know is asked of Postgres, sparingly: once for a code, once for all codes that wait together.

A flood of codes that were never made must not become a flood of queries. So while Redis answers, queries that met such
codes hold up the next one, which is then for all that have gathered. Codes of links hold up nobody.

A Postgres that has just failed is left alone for a moment, so that not every request waits for its limit.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.resolver.lookup.throttle import Throttle
from shared.domain.codes import DEFAULT_DOMAIN
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Route
from shared.postgres.pool import Database
from shared.postgres.tables import links
from shared.process.batching import Batcher
from shared.redis.route_records import route_of

log = logging.getLogger(__name__)

UNKNOWN: Final = Route(version=0)
"""The route of a code that was never made: older than any link that is made there later."""

BURST: Final = 10
PER_SECOND: Final = 2.0
"""Queries with codes that were never made: `BURST` at once, then so many a second, in each resolver."""

RESET_TIMEOUT: Final = 1.0
"""Seconds for which a Postgres that failed is not asked."""

MAX_CODES: Final = 4_096
"""Codes that wait for an answer at most."""


class PostgresLookup:
    """Asks Postgres for the routes of codes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._circuit_breaker = CircuitBreaker(RESET_TIMEOUT)
        self._throttle = Throttle(BURST, PER_SECOND)
        self._throttled: Batcher[str, Route] = Batcher(self._query_throttled, MAX_CODES)
        self._unthrottled: Batcher[str, Route] = Batcher(self._query)
        self._waiting_for: dict[str, asyncio.Task[Route]] = {}

    async def find(self, code: str, *, throttled: bool) -> Route:
        """The route of a code, UNKNOWN where there is none. Raises StoreUnavailable.

        Whoever asks for a code that is being asked for already waits for the same answer.
        """
        task = self._waiting_for.get(code)
        if task is None:
            if len(self._waiting_for) >= MAX_CODES:
                raise StoreUnavailable("Too many unknown codes are being looked up.")
            batcher = self._throttled if throttled else self._unthrottled
            task = self._waiting_for[code] = asyncio.create_task(batcher.submit(code))
            task.add_done_callback(lambda _: self._waiting_for.pop(code, None))
        return await asyncio.shield(task)

    async def _query_throttled(self, codes: list[str]) -> Sequence[Route]:
        await self._throttle.wait()
        routes = await self._query(codes)
        if UNKNOWN in routes:
            self._throttle.record()
        return routes

    async def _query(self, codes: list[str]) -> Sequence[Route]:
        if self._circuit_breaker.is_open:
            raise StoreUnavailable("The database did not answer a moment ago.")
        try:
            found = await links.get_many(self._database, [(DEFAULT_DOMAIN, code) for code in codes])
        except StoreUnavailable:
            self._circuit_breaker.record_failure()
            raise
        self._circuit_breaker.record_success()
        routes = {link.code: route_of(link) for link in found}
        return [routes.get(code, UNKNOWN) for code in codes]
