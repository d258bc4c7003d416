"""Look up where a code leads: in Redis, else in Postgres."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.resolver.lookup.fallback_cache import FallbackCache
from services.resolver.lookup.postgres_lookup import PostgresLookup
from shared.domain.codes import LinkName
from shared.domain.errors import StoreFull, StoreUnavailable
from shared.domain.models import Route
from shared.postgres.pool import Database
from shared.process.batching import Batcher
from shared.redis.route_records import RouteRecords, RouteUpdate, decode

log = logging.getLogger(__name__)

Source = Literal["hit", "miss", "fallback"]
"""Redis had the record; Redis had none, so Postgres was asked; Redis was unavailable, so Postgres was asked."""


@dataclass(frozen=True, slots=True)
class Found:
    """A route, and where it was found."""

    route: Route
    source: Source


class Lookup:
    """Finds routes. Lookups that wait at the same time share a round trip."""

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
        self._reader: Batcher[LinkName, bytes | None] = Batcher(self._read)
        self._writer: Batcher[tuple[LinkName, Route], None] = Batcher(self._write)
        self._writes: dict[LinkName, asyncio.Task[None]] = {}

    async def find(self, name: LinkName) -> Found:
        """The route of a name; UNKNOWN when it has no link. Raises StoreUnavailable when no store replies."""
        if self._circuit_breaker.is_open:
            return await self._fall_back(name)
        try:
            record = await self._reader.submit(name)
        except StoreUnavailable:
            return await self._fall_back(name)
        if record is None:
            return await self._miss(name)
        try:
            return Found(decode(record), "hit")
        except ValueError:
            log.error("the record of %s in Redis cannot be read; asking Postgres", name.code)
            return await self._miss(name, replace=True)

    async def finish(self) -> None:
        """Wait until Redis has the records of the last misses, or has not replied in time."""
        await asyncio.gather(*self._writes.values(), return_exceptions=True)

    async def _read(self, names: list[LinkName]) -> list[bytes | None]:
        try:
            records = await self._records.get(names)
        except StoreUnavailable:
            self._circuit_breaker.record_failure()
            raise
        self._circuit_breaker.record_success()
        return records

    async def _fall_back(self, name: LinkName) -> Found:
        route = self._fallback_cache.get(name)
        if route is None:
            route = await self._postgres_lookup.find(name, throttled=False)
            self._fallback_cache.put(name, route)
        return Found(route, "fallback")

    async def _miss(self, name: LinkName, *, replace: bool = False) -> Found:
        """Ask Postgres, and write the record to Redis; `replace`: also over a record of the same version."""
        route = await self._postgres_lookup.find(name, throttled=True)
        if name not in self._writes and not self._circuit_breaker.is_open:
            write = self._put([(name, route)], replace=True) if replace else self._writer.submit((name, route))
            self._writes[name] = task = asyncio.create_task(write)
            task.add_done_callback(lambda _: self._writes.pop(name, None))
        return Found(route, "miss")

    async def _write(self, found: list[tuple[LinkName, Route]]) -> Sequence[None]:
        await self._put(found, replace=False)
        return [None] * len(found)

    async def _put(self, found: Sequence[tuple[LinkName, Route]], *, replace: bool) -> None:
        """Write what Postgres said to Redis, also that there is no link; a newer record there stays."""
        updates = [RouteUpdate(name, route, self._lifetime(route)) for name, route in found]
        try:
            await self._records.put(updates, replace=replace)
        except StoreFull as fault:  # a full Redis still serves lookups
            log.warning("%s", fault.detail)
        except StoreUnavailable:
            self._circuit_breaker.record_failure()

    def _lifetime(self, route: Route) -> int:
        return self._link_lifetime if route.version else self._miss_lifetime
