"""A Redis client that limits every wait, and the translation of its errors into errors of the domain."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError

from shared.domain.errors import StoreFull, StoreUnavailable
from shared.process.settings import RedisSettings

UNAVAILABLE: Final = "Redis did not reply in time."

_FULL: Final = "OOM "
"""The beginning of the reply of a Redis that has no room and nothing left to evict, so no record that is stale."""

_REFUSALS: Final = ("MISCONF ", "READONLY ", "NOREPLICAS ")
"""The beginnings of other replies by which Redis refuses a write. It keeps its records, and changes cannot reach them.
A resolver that read them would redirect to old targets, so such a Redis counts as unavailable."""

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
    """Turn what a Redis client raises into StoreUnavailable, a refused write into StoreFull."""
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
    if text.startswith(_FULL) or isinstance(fault, OutOfMemoryError):
        return StoreFull(f"Redis refused a write: {text[:200]}")
    if text.startswith(_REFUSALS) or isinstance(fault, ReadOnlyError):
        return StoreUnavailable(f"Redis refused a write: {text[:200]}")
    return StoreUnavailable(UNAVAILABLE)
