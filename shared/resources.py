"""What an application opens and closes: Postgres and Redis, each under a typed key."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

from aiohttp import web
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shared.database import Database, connect
from shared.errors import StoreUnavailable
from shared.settings import DatabaseSettings, RedisSettings

_AWAY: Final = "Redis did not answer in time."

_UVLOOP_CLOSED: Final = "handler is closed"
"""What uvloop says, in a RuntimeError, of a write to a connection that was just reset; redis.asyncio lets it out."""

_REPEATED: Final[Any] = (RedisConnectionError, RuntimeError)

CleanupContext = Callable[[web.Application], AsyncIterator[None]]
RedisClient = aioredis.Redis

DATABASE = web.AppKey("DATABASE", Database)
REDIS = web.AppKey("REDIS", RedisClient)


def open_database(settings: DatabaseSettings) -> CleanupContext:
    """A cleanup context that puts a Database under DATABASE."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        async with connect(settings) as app[DATABASE]:
            yield

    return context


def open_redis(settings: RedisSettings) -> CleanupContext:
    """A cleanup context that puts a Redis client under REDIS."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        async with redis_client(settings) as app[REDIS]:
            yield

    return context


@contextlib.asynccontextmanager
async def redis_client(settings: RedisSettings) -> AsyncIterator[RedisClient]:
    """A client whose every wait is bounded. It connects on first use, so Redis may be away."""
    client = aioredis.Redis.from_url(
        settings.url,
        socket_timeout=settings.timeout,
        socket_connect_timeout=settings.timeout,
        # One immediate repeat hides a connection that Redis closed while it lay idle; every command here bears one.
        retry=Retry(NoBackoff(), 1, supported_errors=_REPEATED),
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
        raise StoreUnavailable(_AWAY) from fault
    except RuntimeError as fault:
        if _UVLOOP_CLOSED not in str(fault):
            raise
        raise StoreUnavailable(_AWAY) from fault
