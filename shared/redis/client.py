"""A Redis client that limits every wait, and the translation of its errors into errors of the domain."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shared.domain.errors import StoreRefused, StoreUnavailable
from shared.process.settings import RedisSettings

UNAVAILABLE: Final = "Redis did not reply in time."

_REFUSALS: Final = ("OOM ", "MISCONF ", "READONLY ", "NOREPLICAS ")
"""The beginnings of replies by which Redis refuses a write although it can still be read."""

_UVLOOP_CLOSED: Final = "handler is closed"
"""In the RuntimeError that uvloop raises for a write to a reset connection; redis.asyncio does not translate it."""

_RETRIED: Final[Any] = (RedisConnectionError, RuntimeError)

RedisClient = aioredis.Redis


@contextlib.asynccontextmanager
async def redis_client(settings: RedisSettings) -> AsyncIterator[RedisClient]:
    """A client with a timeout for every wait. It connects on first use, so Redis may be unavailable at the start."""
    client = aioredis.Redis.from_url(
        settings.url,
        socket_timeout=settings.timeout,
        socket_connect_timeout=settings.timeout,
        # One immediate retry hides a connection that Redis closed while it was idle; every command here may run twice.
        retry=Retry(NoBackoff(), 1, supported_errors=_RETRIED),
    )
    try:
        yield client
    finally:
        await client.aclose()


@contextlib.contextmanager
def redis_errors() -> Iterator[None]:
    """Turn what a Redis client raises into StoreUnavailable, a refused write into StoreRefused."""
    try:
        yield
    except (TimeoutError, RedisError, OSError) as fault:
        raise error_of(fault) from fault
    except RuntimeError as fault:
        if _UVLOOP_CLOSED not in str(fault):
            raise
        raise StoreUnavailable(UNAVAILABLE) from fault


def error_of(fault: Exception) -> StoreUnavailable:
    """The domain's error for an error of a client, or for an error that Redis replied with."""
    text = str(fault)
    if text.startswith(_REFUSALS) or type(fault).__name__ in ("OutOfMemoryError", "ReadOnlyError"):
        return StoreRefused(f"Redis refused a write: {text[:200]}")
    return StoreUnavailable(UNAVAILABLE)
