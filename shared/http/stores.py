"""Cleanup contexts that open and close the stores of an application, each stored under a typed key."""

from collections.abc import AsyncIterator

from aiohttp import web

from shared.postgres.pool import Database, connect
from shared.process.loops import CleanupContext
from shared.process.settings import DatabaseSettings, RedisSettings
from shared.redis.client import RedisClient, redis_client

DATABASE = web.AppKey("DATABASE", Database)
REDIS = web.AppKey("REDIS", RedisClient)


def open_database(settings: DatabaseSettings) -> CleanupContext:
    """A cleanup context that stores a Database under DATABASE."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        async with connect(settings) as app[DATABASE]:
            yield

    return context


def open_redis(settings: RedisSettings) -> CleanupContext:
    """A cleanup context that stores a Redis client under REDIS."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        async with redis_client(settings) as app[REDIS]:
            yield

    return context
