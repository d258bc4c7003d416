"""Rate limits: a token bucket per client, within this process."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Self

from shared.domain.errors import TooManyRequests
from shared.process.settings import Environment

_MAX_CLIENTS: Final = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitSettings:
    """Requests per minute for an API key, and for an address without a valid key; 0: unlimited."""

    key: int
    address: int

    @classmethod
    def read(cls, env: Environment) -> Self:
        return cls(
            key=env.integer("KEY_RATE_LIMIT", 6_000, least=0),
            address=env.integer("ADDRESS_RATE_LIMIT", 120, least=0),
        )


class Limiter:
    """Allows each client `per_minute` requests per minute; an idle client may send all of them at once."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = per_minute
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def acquire(self, client: str, count: int = 1) -> dict[str, str]:
        """Count `count` requests; the RateLimit-* headers for the response.

        Raises TooManyRequests when fewer are left. A count above the limit is reduced to the limit.
        """
        if not self._limit:
            return {}
        tokens = self._tokens(client)
        count = min(count, self._limit)
        if tokens < count:
            raise self._refusal(tokens, count)
        self._store(client, tokens - count)
        return self._headers(tokens - count)

    def check(self, client: str) -> None:
        """Raise TooManyRequests when no request is left, without counting one."""
        if self._limit and (tokens := self._tokens(client)) < 1:
            raise self._refusal(tokens)

    def _tokens(self, client: str) -> float:
        now = self._clock()
        tokens, since = self._buckets.get(client, (float(self._limit), now))
        return min(self._limit, tokens + (now - since) * self._limit / 60)

    def _store(self, client: str, tokens: float) -> None:
        if len(self._buckets) >= _MAX_CLIENTS and client not in self._buckets:
            self._buckets = {name: kept for name, kept in self._buckets.items() if self._tokens(name) < self._limit}
        if len(self._buckets) >= _MAX_CLIENTS:
            self._buckets.clear()
        self._buckets[client] = (tokens, self._clock())

    def _refusal(self, tokens: float, count: int = 1) -> TooManyRequests:
        seconds = max(1, math.ceil((count - tokens) * 60 / self._limit))
        return TooManyRequests(f"At most {self._limit} requests a minute.", seconds, self._headers(tokens))

    def _headers(self, tokens: float) -> dict[str, str]:
        """The headers of draft-ietf-httpapi-ratelimit-headers-06; the reset is in seconds until the bucket is full."""
        return {
            "RateLimit-Limit": str(self._limit),
            "RateLimit-Remaining": str(max(0, math.floor(tokens))),
            "RateLimit-Reset": str(math.ceil((self._limit - tokens) * 60 / self._limit)),
        }
