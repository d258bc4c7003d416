"""Links by the hundred thousand: rows by COPY, records as the product writes them, and the keys of the baselines."""

import asyncio
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final, TypeVar

import psycopg2
import psycopg2.extensions
import redis

from deploy.common.waiting import wait_until
from deploy.local.configuration import database_url
from deploy.local.settings import LocalSettings
from deploy.local.state import secret
from shared.domain.codes import DEFAULT_DOMAIN, in_default_domain
from shared.domain.models import Route
from shared.process.settings import RedisSettings
from shared.redis.client import redis_client
from shared.redis.route_records import RouteRecords, RouteUpdate

Item = TypeVar("Item")

TARGET: Final = "https://www.example.com/".ljust(100, "x")
"""The target of every link in Redis: 100 bytes."""


def target_of(code: str) -> str:
    """The target of a code in Postgres: 100 bytes, and different for each code, as it is for real links."""
    return f"https://www.example.com/{code}/".ljust(100, "x")


AFTER_ALL_LISTED: Final = 100_000_000
"""An offset in seconds after FIRST_MADE, later than every link that the part `listing` reads."""

FIRST_MADE: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""When the first link was created."""

BASELINE_DATABASE: Final = 1
"""The number of the Redis database for the baselines' keys; the product does not use it."""

_BATCH: Final = 1_000
_LIFETIME: Final = 7 * 86_400


def baseline_key(code: str) -> str:
    """The key of a code in the baselines' database."""
    return f"url:{code}"


def connect_redis(settings: LocalSettings, database: int = 0) -> redis.Redis:
    """A blocking client of one database of the product's Redis."""
    return redis.Redis.from_url(_redis_url(settings, database))


def _redis_url(settings: LocalSettings, database: int) -> str:
    return f"redis://:{secret(settings, 'redis')}@127.0.0.1:{settings.redis_port}/{database}"


def connect_postgres(settings: LocalSettings) -> psycopg2.extensions.connection:
    """A connection of the role that owns the database. Each statement is a transaction of its own."""
    connection = psycopg2.connect(database_url(settings, "boltlink", secret(settings, "postgres")))
    connection.autocommit = True
    return connection


def copy_links(
    connection: psycopg2.extensions.connection, codes: Sequence[str], *, offset: int = 0, with_outbox: bool = False
) -> range:
    """Create a link with its total for each code by COPY, in one transaction. Return the ids of the links.

    Each link is created a second after the previous one, the first one `offset` seconds after FIRST_MADE.
    """
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        ids = _reserve_ids(cursor, len(codes))
        created = (FIRST_MADE + timedelta(seconds=offset + place) for place in range(len(codes)))
        rows = (
            f"{link_id}\t{DEFAULT_DOMAIN}\t{code}\t{target_of(code)}\t1\t{created_at}\n"
            for link_id, code, created_at in zip(ids, codes, created, strict=True)
        )
        cursor.copy_expert("COPY links (id, domain, code, url, owner_id, created_at) FROM STDIN", _file(rows))
        cursor.copy_expert("COPY link_totals (link_id) FROM STDIN", _file(f"{link_id}\n" for link_id in ids))
        if with_outbox:
            messages = (f"{DEFAULT_DOMAIN}\t{code}\t1\n" for code in codes)
            cursor.copy_expert("COPY outbox (domain, code, version) FROM STDIN", _file(messages))
        cursor.execute("COMMIT")
    return ids


def _reserve_ids(cursor: psycopg2.extensions.cursor, count: int) -> range:
    """Reserve consecutive ids of links."""
    cursor.execute("SELECT setval('links_id_seq', nextval('links_id_seq') + %s - 1)", [count])
    last = int(cursor.fetchall()[0][0])
    return range(last - count + 1, last + 1)


def _file(lines: Iterable[str]) -> io.StringIO:
    return io.StringIO("".join(lines))


def insert_links(connection: psycopg2.extensions.connection, codes: Sequence[str], *, offset: int = 0) -> range:
    """Create links like `copy_links`, and then the statistics for queries, which autovacuum would create later."""
    ids = copy_links(connection, codes, offset=offset)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE links, link_totals")
    return ids


def put_records(
    settings: LocalSettings, codes: Sequence[str], ids: Sequence[int], database: int = 0, **conditions: Any
) -> None:
    """Write the route record of each code, as the product does. `conditions`: fields of `Route` for every link."""

    async def put() -> None:
        async with redis_client(RedisSettings(url=_redis_url(settings, database), timeout=30.0)) as client:
            records = RouteRecords(client)
            for batch in _batches(zip(codes, ids, strict=True)):
                routes = [
                    Route(version=1, link_id=link_id, live=True, url=TARGET, **conditions) for _, link_id in batch
                ]
                await records.put(
                    [
                        RouteUpdate(in_default_domain(code), route, _LIFETIME)
                        for (code, _), route in zip(batch, routes, strict=True)
                    ]
                )

    asyncio.run(put())


def put_baseline_keys(settings: LocalSettings, codes: Sequence[str]) -> None:
    """Write the keys of the baselines: the target of each code."""
    with connect_redis(settings, BASELINE_DATABASE) as client:
        for batch in _batches(iter(codes)):
            client.mset({baseline_key(code): TARGET for code in batch})


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(items, _BATCH)):
        yield batch


def redis_memory(settings: LocalSettings) -> int:
    """How many bytes of memory Redis uses."""
    with connect_redis(settings) as client:
        return int(client.info("memory")["used_memory"])


def rewrite_append_only_file(settings: LocalSettings) -> None:
    """Let Redis rewrite its append-only file now and never again by itself. Return when the file is written."""

    def is_idle() -> bool:
        state = client.info("persistence")
        return not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]

    with connect_redis(settings) as client:
        client.config_set("auto-aof-rewrite-percentage", 0)
        wait_until(is_idle, "Redis does not finish rewriting its append-only file", seconds=120)
        client.bgrewriteaof()
        wait_until(is_idle, "Redis does not finish rewriting its append-only file", seconds=120)
