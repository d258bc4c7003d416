"""A client of Redis whose every wait is bounded, and whose errors are those of the domain."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shared.domain.errors import StoreUnavailable
from shared.process.settings import RedisSettings

UNAVAILABLE: Final = "Redis did not answer in time."

_UVLOOP_CLOSED: Final = "handler is closed"
"""What uvloop says, in a RuntimeError, of a write to a connection that was just reset; redis.asyncio lets it out."""

_RETRIED: Final[Any] = (RedisConnectionError, RuntimeError)

RedisClient = aioredis.Redis


@contextlib.asynccontextmanager
async def redis_client(settings: RedisSettings) -> AsyncIterator[RedisClient]:
    """A client whose every wait is bounded. It connects on first use, so Redis may be away."""
    client = aioredis.Redis.from_url(
        settings.url,
        socket_timeout=settings.timeout,
        socket_connect_timeout=settings.timeout,
        # One immediate repeat hides a connection that Redis closed while it lay idle; every command here bears one.
        retry=Retry(NoBackoff(), 1, supported_errors=_RETRIED),
    )
    try:
        yield client
    finally:
        await client.aclose()


@contextlib.contextmanager
def redis_errors() -> Iterator[None]:
    """Turn what a Redis client raises into StoreUnavailable."""
    try:
        yield
    except (TimeoutError, RedisError, OSError) as fault:
        raise StoreUnavailable(UNAVAILABLE) from fault
    except RuntimeError as fault:
        if _UVLOOP_CLOSED not in str(fault):
            raise
        raise StoreUnavailable(UNAVAILABLE) from fault
