"""Lookups of a resolver, with stores that are available or not, and what they leave in Redis."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.resolver.lookup.lookup import Lookup
from services.writer.redis_sync.relay import relay_once
from shared.domain.codes import in_default_domain
from shared.postgres.connection import Row
from shared.postgres.pool import Database, connect
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from shared.redis.route_records import RouteRecords
from tests.integration.stores import Stores
from tests.support.network import at_port, refusing_port, silent_port

LINK_LIFETIME, MISS_LIFETIME = 600, 30


def lookup_of(redis: RedisClient, database: Database) -> Lookup:
    return Lookup(
        RouteRecords(redis), database, CircuitBreaker(), link_lifetime=LINK_LIFETIME, miss_lifetime=MISS_LIFETIME
    )


@pytest.fixture
async def lookup(redis: RedisClient, resolver_database: Database) -> AsyncIterator[Lookup]:
    lookup = lookup_of(redis, resolver_database)
    yield lookup
    await lookup.finish()


@pytest.fixture
async def unavailable_redis(stores: Stores) -> AsyncIterator[RedisClient]:
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as client:
            yield client


@pytest.fixture
async def silent_redis(stores: Stores) -> AsyncIterator[RedisClient]:
    with silent_port() as port:
        async with redis_client(at_port(stores.redis_settings(timeout=0.1), port)) as client:
            yield client


@pytest.fixture
async def unavailable_database(stores: Stores) -> AsyncIterator[Database]:
    with refusing_port() as port:
        async with connect(at_port(stores.database_settings("any_test"), port)) as found:
            yield found


@pytest.fixture
def count_reads(resolver_database: Database) -> Callable[[], int]:
    """A function that returns the number of reads from Postgres."""
    return counting_reads(resolver_database)


def counting_reads(database: Database) -> Callable[[], int]:
    """Count the statements that read from now on; a function that returns the number."""
    read = database.fetch_all
    statements: list[str] = []

    async def counting(statement: str, values: Any = None) -> list[Row]:
        statements.append(statement)
        return await read(statement, values)

    database.fetch_all = counting  # type: ignore[method-assign]  # the database is this test's own
    return lambda: len(statements)


async def record_of(redis: RedisClient, code: str = "abc") -> bytes | None:
    record: Any = await redis.get(redis_keys.route(in_default_domain(code)))
    return None if record is None else bytes(record)


async def is_stored(redis: RedisClient, code: str = "abc") -> bool:
    return await record_of(redis, code) is not None


async def publish(database: Database, redis: RedisClient) -> None:
    await relay_once(database, RouteRecords(redis), link_lifetime=LINK_LIFETIME)


async def mget_calls(redis: RedisClient) -> int:
    statistics: Any = await redis.info("commandstats")
    return int(statistics.get("cmdstat_mget", {"calls": 0})["calls"])


async def script_ran(redis: RedisClient) -> bool:
    """Whether a record was written since the statistics were reset."""
    statistics: Any = await redis.info("commandstats")
    return "cmdstat_evalsha" in statistics
