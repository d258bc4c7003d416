"""Ask Postgres for codes that Redis does not know, sparingly: once for a code, and once for all that wait together.

A flood of codes that do not exist must not become a flood of queries. While Redis works, a query that met such codes
therefore delays the next query, which then serves all codes that have gathered. Codes of links delay nobody.

After a failure Postgres is not asked for a moment, so that not every request waits for the timeout.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.resolver.lookup.throttle import Throttle
from shared.domain.codes import LinkName
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Route
from shared.postgres.pool import Database
from shared.postgres.tables import links
from shared.process.batching import Batcher
from shared.redis.route_records import route_of

UNKNOWN: Final = Route(version=0)
"""The route of a code that was never created: older than any link that gets the code later."""

BURST: Final = 10
PER_SECOND: Final = 2.0
"""Queries that meet unknown codes: `BURST` at once, then so many a second, in each resolver."""

RESET_TIMEOUT: Final = 1.0
"""Seconds for which Postgres is not asked after a failure."""

MAX_CODES: Final = 4_096
"""Codes that wait at the same time."""


class PostgresLookup:
    """Finds routes in Postgres."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._circuit_breaker = CircuitBreaker(RESET_TIMEOUT)
        self._throttle = Throttle(BURST, PER_SECOND)
        self._throttled: Batcher[LinkName, Route] = Batcher(self._query_throttled, MAX_CODES)
        self._unthrottled: Batcher[LinkName, Route] = Batcher(self._query)
        self._waiting: dict[LinkName, asyncio.Task[Route]] = {}

    async def find(self, name: LinkName, *, throttled: bool) -> Route:
        """The route of a name, UNKNOWN when it has no link. Raises StoreUnavailable.

        Requests for a name that is being looked up already share the result (single flight).
        """
        task = self._waiting.get(name)
        if task is None:
            if len(self._waiting) >= MAX_CODES:
                raise StoreUnavailable("Too many unknown codes are being looked up.")
            batcher = self._throttled if throttled else self._unthrottled
            task = self._waiting[name] = asyncio.create_task(batcher.submit(name))
            task.add_done_callback(lambda _: self._waiting.pop(name, None))
        return await asyncio.shield(task)

    async def _query_throttled(self, names: list[LinkName]) -> Sequence[Route]:
        await self._throttle.wait()
        routes = await self._query(names)
        if UNKNOWN in routes:
            self._throttle.record()
        return routes

    async def _query(self, names: list[LinkName]) -> Sequence[Route]:
        if self._circuit_breaker.is_open:
            raise StoreUnavailable("The database did not answer a moment ago.")
        try:
            found = await links.get_many(self._database, names)
        except StoreUnavailable:
            self._circuit_breaker.record_failure()
            raise
        self._circuit_breaker.record_success()
        routes = {link.name: route_of(link) for link in found}
        return [routes.get(name, UNKNOWN) for name in names]
