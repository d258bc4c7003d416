"""A cache for the time that Redis is unavailable: the visitors of one link must not ask Postgres one by one."""

import time
from collections.abc import Callable
from typing import Final

from shared.domain.codes import LinkName
from shared.domain.models import Route

LIFETIME: Final = 0.5
"""Seconds. A change must take effect within a second, even when Redis cannot report it."""

MAX_ROUTES: Final = 10_000


class FallbackCache:
    """The routes of some links, each for a moment."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._routes: dict[LinkName, tuple[float, Route]] = {}

    def get(self, name: LinkName) -> Route | None:
        """The cached route, unless it is too old."""
        expires_at, route = self._routes.get(name, (0.0, None))
        return route if self._clock() < expires_at else None

    def put(self, name: LinkName, route: Route) -> None:
        """Cache a route; a cache that is full begins anew."""
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        self._routes[name] = (self._clock() + LIFETIME, route)
