"""Links by the hundred thousand: rows by COPY, records as the product writes them, and the yardsticks' own keys."""

import asyncio
import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

import psycopg2
import psycopg2.extensions
import redis

from local.configuration import database_url
from local.settings import LocalSettings
from local.state import secret
from shared.models import DEFAULT_DOMAIN, Route
from shared.resources import redis_client
from shared.route_records import RouteRecords
from shared.settings import RedisSettings

Item = TypeVar("Item")

TARGET: Final = "https://www.example.com/".ljust(100, "x")
"""Where every link leads: 100 bytes."""

YARDSTICK_DATABASE: Final = 1
"""The yardsticks' keys are in a database of the same Redis that the product does not look into."""

_BATCH: Final = 1_000
_LIFETIME: Final = 7 * 86_400


def yardstick_key(code: str) -> str:
    return f"url:{code}"


def connect_redis(settings: LocalSettings, database: int = 0) -> redis.Redis:
    return redis.Redis.from_url(_redis_url(settings, database))


def _redis_url(settings: LocalSettings, database: int) -> str:
    return f"redis://:{secret(settings, 'redis')}@127.0.0.1:{settings.redis_port}/{database}"


def connect_postgres(settings: LocalSettings) -> psycopg2.extensions.connection:
    """A connection of the database's owner, each statement its own transaction."""
    connection = psycopg2.connect(database_url(settings, "boltlink", secret(settings, "postgres")))
    connection.autocommit = True
    return connection


def insert_rows(connection: psycopg2.extensions.connection, codes: Sequence[str]) -> list[int]:
    """Make a link with its total for each code; their ids."""
    lines = io.StringIO("".join(f"{DEFAULT_DOMAIN}\t{code}\t{TARGET}\t1\n" for code in codes))
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM links")
        (before,) = cursor.fetchall()[0]
        cursor.copy_expert("COPY links (domain, code, url, owner_id) FROM STDIN", lines)
        cursor.execute("INSERT INTO link_totals (link_id) SELECT id FROM links WHERE id > %s", [before])
        cursor.execute("SELECT id FROM links WHERE id > %s ORDER BY id", [before])
        found = [link_id for (link_id,) in cursor]
        cursor.execute("VACUUM ANALYZE links, link_totals")
    return found


def put_records(settings: LocalSettings, codes: Sequence[str], ids: Sequence[int], database: int = 0) -> None:
    """Write where each code leads, as the product does."""

    async def put() -> None:
        async with redis_client(RedisSettings(url=_redis_url(settings, database), timeout=30.0)) as client:
            records = RouteRecords(client)
            for batch in _batches(zip(codes, ids, strict=True)):
                routes = [Route(version=1, link_id=link_id, live=True, url=TARGET) for _, link_id in batch]
                await records.put(
                    [(DEFAULT_DOMAIN, code, route, _LIFETIME) for (code, _), route in zip(batch, routes, strict=True)]
                )

    asyncio.run(put())


def put_yardstick_keys(settings: LocalSettings, codes: Sequence[str]) -> None:
    """The same for the yardsticks: the target under each code."""
    with connect_redis(settings, YARDSTICK_DATABASE) as client:
        for batch in _batches(iter(codes)):
            client.mset({yardstick_key(code): TARGET for code in batch})


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(items, _BATCH)):
        yield batch


def redis_memory(settings: LocalSettings) -> int:
    """Bytes that Redis has taken for its data."""
    with connect_redis(settings) as client:
        return int(client.info("memory")["used_memory"])
