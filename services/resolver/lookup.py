"""Where a code leads: from Redis, else from Postgres, else nowhere."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Literal

from services.resolver.batching import Batcher
from services.resolver.breaker import Breaker
from shared.database import Database
from shared.errors import StoreUnavailable
from shared.models import DEFAULT_DOMAIN, Route
from shared.repositories import links
from shared.route_records import RouteRecords, decode, route_of

log = logging.getLogger(__name__)

Source = Literal["hit", "miss", "fallback"]
"""Redis knew; Redis did not know, Postgres was asked; Redis was away, Postgres was asked."""

UNKNOWN = Route(version=0)
"""The route of a code that was never made: older than any link that is made there later."""


@dataclass(frozen=True, slots=True)
class Found:
    """A route, and who knew it."""

    route: Route
    source: Source


class Lookup:
    """Finds routes. Lookups that wait together share a round trip; those of one code share a question to Postgres."""

    def __init__(
        self, records: RouteRecords, database: Database, breaker: Breaker, *, link_lifetime: int, miss_lifetime: int
    ) -> None:
        self._records = records
        self._database = database
        self._breaker = breaker
        self._link_lifetime = link_lifetime
        self._miss_lifetime = miss_lifetime
        self._batcher: Batcher[str, bytes | None] = Batcher(self._read)
        self._asking: dict[str, asyncio.Task[Route]] = {}
        self._filling: set[asyncio.Task[None]] = set()

    async def find(self, code: str) -> Found:
        """The route of a code; UNKNOWN's where there is none. Raises StoreUnavailable when nobody can tell."""
        if self._breaker.is_open:
            return Found(await self._ask_once(code), "fallback")
        try:
            record = await self._batcher.submit(code)
        except StoreUnavailable:
            return Found(await self._ask_once(code), "fallback")
        if record is not None:
            try:
                return Found(decode(record), "hit")
            except ValueError:
                log.error("the record of %s in Redis cannot be read; asking Postgres", code)
                return Found(await self._ask_once(code, again=True), "miss")
        return Found(await self._ask_once(code), "miss")

    async def _read(self, codes: list[str]) -> list[bytes | None]:
        try:
            records = await self._records.get(DEFAULT_DOMAIN, codes)
        except StoreUnavailable:
            self._breaker.failed()
            raise
        self._breaker.worked()
        return records

    async def _ask_once(self, code: str, *, again: bool = False) -> Route:
        """Ask Postgres, or wait with whoever is asking for the same code already. `again`: heal the record in Redis."""
        task = self._asking.get(code)
        if task is None:
            task = self._asking[code] = asyncio.create_task(self._ask(code, again=again))
            task.add_done_callback(lambda _: self._asking.pop(code, None))
        return await asyncio.shield(task)

    async def _ask(self, code: str, *, again: bool) -> Route:
        link = await links.get(self._database, domain=DEFAULT_DOMAIN, code=code)
        route = route_of(link) if link else UNKNOWN
        if not self._breaker.is_open:
            self._filling.add(task := asyncio.create_task(self._fill(code, route, again=again)))
            task.add_done_callback(self._filling.discard)
        return route

    async def _fill(self, code: str, route: Route, *, again: bool) -> None:
        """Remember in Redis what Postgres said, also that there is nothing; a newer record there stays."""
        lifetime = self._miss_lifetime if route.version == 0 else self._link_lifetime
        try:
            await self._records.put([(DEFAULT_DOMAIN, code, route, lifetime)], again=again)
        except StoreUnavailable:
            self._breaker.failed()
