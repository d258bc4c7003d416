"""How often something may happen: some times at once, then so many a second."""

import asyncio
import time
from collections.abc import Callable


class Throttle:
    """Holds up whoever comes after `burst` times at once, and `per_second` after that (the generic cell rate algorithm,
    ITU-T I.371)."""

    def __init__(self, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = 1 / per_second
        self._slack = (burst - 1) * self._gap
        self._clock = clock
        self._expected = clock()

    async def wait(self) -> None:
        """Wait until it may happen again."""
        wait = self._expected - self._slack - self._clock()
        if wait > 0:
            await asyncio.sleep(wait)

    def record(self) -> None:
        """Note that it has happened."""
        self._expected = max(self._expected, self._clock()) + self._gap
