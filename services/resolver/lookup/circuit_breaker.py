"""A circuit breaker: after a failure a store is not asked for a moment, so that not every request waits for it."""

import time
from collections.abc import Callable
from typing import Final

RESET_TIMEOUT: Final = 0.25
"""Seconds for which Redis is not asked after a failure."""


class CircuitBreaker:
    """Opens at a failure of its store; closes at a success."""

    def __init__(self, reset_timeout: float = RESET_TIMEOUT, clock: Callable[[], float] = time.monotonic) -> None:
        self._reset_timeout = reset_timeout
        self._clock = clock
        self._open_until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the store must not be asked now. After the reset timeout one caller is let through, as a probe."""
        if not self._open_until:
            return False
        if self._clock() < self._open_until:
            return True
        self._open_until = self._clock() + self._reset_timeout
        return False

    def record_failure(self) -> None:
        """Open: the store did not reply."""
        self._open_until = self._clock() + self._reset_timeout

    def record_success(self) -> None:
        """Close: the store replied."""
        self._open_until = 0.0
