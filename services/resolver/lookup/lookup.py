"""Where a code leads: from Redis, else from Postgres, else nowhere."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.resolver.lookup.fallback_cache import FallbackCache
from services.resolver.lookup.postgres_lookup import PostgresLookup
from shared.domain.codes import DEFAULT_DOMAIN
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Route
from shared.postgres.pool import Database
from shared.process.batching import Batcher
from shared.redis.route_records import RouteRecords, decode

log = logging.getLogger(__name__)

Source = Literal["hit", "miss", "fallback"]
"""Redis knew; Redis did not know, Postgres was asked; Redis was away, Postgres was asked."""


@dataclass(frozen=True, slots=True)
class Found:
    """A route, and who knew it."""

    route: Route
    source: Source


class Lookup:
    """Finds routes. Lookups that wait together share a round trip."""

    def __init__(
        self,
        records: RouteRecords,
        database: Database,
        circuit_breaker: CircuitBreaker,
        *,
        link_lifetime: int,
        miss_lifetime: int,
    ) -> None:
        self._records = records
        self._postgres_lookup = PostgresLookup(database)
        self._fallback_cache = FallbackCache()
        self._circuit_breaker = circuit_breaker
        self._link_lifetime = link_lifetime
        self._miss_lifetime = miss_lifetime
        self._batcher: Batcher[str, bytes | None] = Batcher(self._read)
        self._filler: Batcher[tuple[str, Route], None] = Batcher(self._fill)
        self._filling: dict[str, asyncio.Task[None]] = {}

    async def find(self, code: str) -> Found:
        """The route of a code; UNKNOWN's where there is none. Raises StoreUnavailable when nobody can tell."""
        if self._circuit_breaker.is_open:
            return await self._fall_back(code)
        try:
            record = await self._batcher.submit(code)
        except StoreUnavailable:
            return await self._fall_back(code)
        if record is None:
            return await self._miss(code)
        try:
            return Found(decode(record), "hit")
        except ValueError:
            log.error("the record of %s in Redis cannot be read; asking Postgres", code)
            return await self._miss(code, again=True)

    async def finish(self) -> None:
        """Wait until Redis remembers what was looked up last, or has said nothing in time."""
        await asyncio.gather(*self._filling.values(), return_exceptions=True)

    async def _read(self, codes: list[str]) -> list[bytes | None]:
        try:
            records = await self._records.get(DEFAULT_DOMAIN, codes)
        except StoreUnavailable:
            self._circuit_breaker.record_failure()
            raise
        self._circuit_breaker.record_success()
        return records

    async def _fall_back(self, code: str) -> Found:
        route = self._fallback_cache.get(code)
        if route is None:
            route = await self._postgres_lookup.find(code, throttled=False)
            self._fallback_cache.put(code, route)
        return Found(route, "fallback")

    async def _miss(self, code: str, *, again: bool = False) -> Found:
        """Ask Postgres, and have Redis remember it; `again`: also over a record of the same version."""
        route = await self._postgres_lookup.find(code, throttled=True)
        if code not in self._filling and not self._circuit_breaker.is_open:
            filling = self._put([(code, route)], again=True) if again else self._filler.submit((code, route))
            self._filling[code] = task = asyncio.create_task(filling)
            task.add_done_callback(lambda _: self._filling.pop(code, None))
        return Found(route, "miss")

    async def _fill(self, found: list[tuple[str, Route]]) -> Sequence[None]:
        await self._put(found, again=False)
        return [None] * len(found)

    async def _put(self, found: Sequence[tuple[str, Route]], *, again: bool) -> None:
        """Remember in Redis what Postgres said, also that there is nothing; a newer record there stays."""
        lifetimes = {True: self._miss_lifetime, False: self._link_lifetime}
        routes = [(DEFAULT_DOMAIN, code, route, lifetimes[route.version == 0]) for code, route in found]
        try:
            await self._records.put(routes, again=again)
        except StoreUnavailable:
            self._circuit_breaker.record_failure()
