"""A store that has just failed is left alone for a moment, so that not every request waits for its limit."""

import time
from collections.abc import Callable
from typing import Final

PAUSE: Final = 0.25
"""Seconds for which a store that failed is not asked."""


class Breaker:
    """Remembers when a store failed last."""

    def __init__(self, pause: float = PAUSE, clock: Callable[[], float] = time.monotonic) -> None:
        self._pause = pause
        self._clock = clock
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the store is better left alone now. Only the first to ask after the pause is told no: it probes."""
        if not self._open_until:
            return False
        if self._clock() < self._open_until:
            return True
        self._open_until = self._clock() + self._pause
        return False

    def failed(self) -> None:
        self._open_until = self._clock() + self._pause

    def worked(self) -> None:
        self._open_until = 0.0
