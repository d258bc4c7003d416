"""A throttle: something may happen some times at once, then so many times a second."""

import asyncio
import time
from collections.abc import Callable


class Throttle:
    """Allows `burst` events at once and `per_second` after that (the generic cell rate algorithm, ITU-T I.371)."""

    def __init__(self, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = 1 / per_second
        self._tolerance = (burst - 1) * self._interval
        self._clock = clock
        self._expected = clock()

    async def wait(self) -> None:
        """Wait until the event may happen again."""
        seconds = self._expected - self._tolerance - self._clock()
        if seconds > 0:
            await asyncio.sleep(seconds)

    def record(self) -> None:
        """Record that the event has happened."""
        self._expected = max(self._expected, self._clock()) + self._interval
