"""How many clicks the consumer writes to PostgreSQL in one transaction."""

from typing import Final

MAX_BATCH_SIZE: Final = 5_000
"""Clicks in one transaction. One stream entry may hold hundreds of clicks, and one read a hundred thousand."""

MIN_BATCH_SIZE: Final = 50


class AdaptiveBatchSize:
    """The maximum number of clicks in one transaction, adapted to what PostgreSQL can do within its time limit.

    Each failure halves the size, so that the same clicks are tried again in smaller transactions. Each success doubles
    it, up to `max_size`. It never falls below `min_size`: a failure of so few clicks has another cause than their
    number, and after an outage the consumer should not count its backlog click by click.
    """

    def __init__(self, max_size: int = MAX_BATCH_SIZE, min_size: int = MIN_BATCH_SIZE) -> None:
        self._max_size, self._min_size = max_size, min(min_size, max_size)
        self.size = max_size

    def record_failure(self) -> None:
        self.size = max(self._min_size, self.size // 2)

    def record_success(self) -> None:
        self.size = min(self._max_size, self.size * 2)
