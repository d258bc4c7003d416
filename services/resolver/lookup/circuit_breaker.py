"""A store that has just failed is left alone for a moment, so that not every request waits for its limit."""

import time
from collections.abc import Callable
from typing import Final

RESET_TIMEOUT: Final = 0.25
"""Seconds for which a store that failed is not asked."""


class CircuitBreaker:
    """Remembers when a store failed last."""

    def __init__(self, reset_timeout: float = RESET_TIMEOUT, clock: Callable[[], float] = time.monotonic) -> None:
        self._reset_timeout = reset_timeout
        self._clock = clock
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the store is not to be asked now. After the reset timeout one caller is let through, as a probe."""
        if not self._open_until:
            return False
        if self._clock() < self._open_until:
            return True
        self._open_until = self._clock() + self._reset_timeout
        return False

    def record_failure(self) -> None:
        self._open_until = self._clock() + self._reset_timeout

    def record_success(self) -> None:
        self._open_until = 0.0
