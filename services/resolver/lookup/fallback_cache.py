"""What was just looked up, for as long as Redis is away: visitors of one link shall not ask Postgres one by one."""

import time
from collections.abc import Callable
from typing import Final

from shared.domain.models import Route

LIFETIME: Final = 0.5
"""Seconds. A change has to show within one, also where Redis cannot tell of it."""

MAX_ROUTES: Final = 10_000


class FallbackCache:
    """The routes of some codes, each for a moment."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._routes: dict[str, tuple[float, Route]] = {}

    def get(self, code: str) -> Route | None:
        """What was kept, unless that is too long ago."""
        until, route = self._routes.get(code, (0.0, None))
        return route if self._clock() < until else None

    def put(self, code: str, route: Route) -> None:
        if len(self._routes) >= MAX_ROUTES:
            self._routes.clear()
        self._routes[code] = (self._clock() + LIFETIME, route)
