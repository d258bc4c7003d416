"""Links by the hundred thousand: rows by COPY, records as the product writes them, and the baselines' own keys."""

import asyncio
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final, TypeVar

import psycopg2
import psycopg2.extensions
import redis

from deploy.local.configuration import database_url
from deploy.local.settings import LocalSettings
from deploy.local.state import secret
from deploy.local.supervision import wait_until
from shared.domain.codes import DEFAULT_DOMAIN, in_default_domain
from shared.domain.models import Route
from shared.process.settings import RedisSettings
from shared.redis.client import redis_client
from shared.redis.route_records import RouteRecords, RouteUpdate

Item = TypeVar("Item")

TARGET: Final = "https://www.example.com/".ljust(100, "x")
"""Where every link leads: 100 bytes."""


def target_of(code: str) -> str:
    """Where the link of a code leads in Postgres: 100 bytes, and each elsewhere, as links do."""
    return f"https://www.example.com/{code}/".ljust(100, "x")


LATER: Final = 100_000_000
"""Seconds after FIRST_MADE, when all that the listing knows of is made."""

FIRST_MADE: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""When the first link was made."""

YARDSTICK_DATABASE: Final = 1
"""The baselines' keys are in a database of the same Redis that the product does not look into."""

_BATCH: Final = 1_000
_LIFETIME: Final = 7 * 86_400


def baseline_key(code: str) -> str:
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


def copy_links(
    connection: psycopg2.extensions.connection, codes: Sequence[str], *, before: int = 0, with_outbox: bool = False
) -> range:
    """Make a link with its total for each code by COPY, in one transaction; their ids.

    Each was made a second after the one before it, the first `before` seconds after FIRST_MADE.
    """
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        ids = _take_ids(cursor, len(codes))
        times = (FIRST_MADE + timedelta(seconds=before + place) for place in range(len(codes)))
        rows = (
            f"{link_id}\t{DEFAULT_DOMAIN}\t{code}\t{target_of(code)}\t1\t{made}\n"
            for link_id, code, made in zip(ids, codes, times, strict=True)
        )
        cursor.copy_expert("COPY links (id, domain, code, url, owner_id, created_at) FROM STDIN", _file(rows))
        cursor.copy_expert("COPY link_totals (link_id) FROM STDIN", _file(f"{link_id}\n" for link_id in ids))
        if with_outbox:
            messages = (f"{DEFAULT_DOMAIN}\t{code}\t1\n" for code in codes)
            cursor.copy_expert("COPY outbox (domain, code, version) FROM STDIN", _file(messages))
        cursor.execute("COMMIT")
    return ids


def _take_ids(cursor: psycopg2.extensions.cursor, count: int) -> range:
    """Ids in a row that nobody else gets."""
    cursor.execute("SELECT setval('links_id_seq', nextval('links_id_seq') + %s - 1)", [count])
    last = int(cursor.fetchall()[0][0])
    return range(last - count + 1, last + 1)


def _file(lines: Iterable[str]) -> io.StringIO:
    return io.StringIO("".join(lines))


def insert_rows(connection: psycopg2.extensions.connection, codes: Sequence[str], *, before: int = 0) -> range:
    """The same, ready to be asked: with statistics, as autovacuum makes them after a while."""
    ids = copy_links(connection, codes, before=before)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE links, link_totals")
    return ids


def put_records(settings: LocalSettings, codes: Sequence[str], ids: Sequence[int], database: int = 0) -> None:
    """Write where each code leads, as the product does."""

    async def put() -> None:
        async with redis_client(RedisSettings(url=_redis_url(settings, database), timeout=30.0)) as client:
            records = RouteRecords(client)
            for batch in _batches(zip(codes, ids, strict=True)):
                routes = [Route(version=1, link_id=link_id, live=True, url=TARGET) for _, link_id in batch]
                await records.put(
                    [
                        RouteUpdate(in_default_domain(code), route, _LIFETIME)
                        for (code, _), route in zip(batch, routes, strict=True)
                    ]
                )

    asyncio.run(put())


def put_yardstick_keys(settings: LocalSettings, codes: Sequence[str]) -> None:
    """The same for the baselines: the target under each code."""
    with connect_redis(settings, YARDSTICK_DATABASE) as client:
        for batch in _batches(iter(codes)):
            client.mset({baseline_key(code): TARGET for code in batch})


def _batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    while batch := list(islice(items, _BATCH)):
        yield batch


def redis_memory(settings: LocalSettings) -> int:
    """Bytes that Redis has taken for its data."""
    with connect_redis(settings) as client:
        return int(client.info("memory")["used_memory"])


def rewrite_file(settings: LocalSettings) -> None:
    """Have Redis rewrite its append-only file, and from now on only when asked; returns when it has."""

    def is_done() -> bool:
        state = client.info("persistence")
        return not state["aof_rewrite_in_progress"] and not state["aof_rewrite_scheduled"]

    with connect_redis(settings) as client:
        client.config_set("auto-aof-rewrite-percentage", 0)
        wait_until(is_done, "Redis does not end rewriting its file", seconds=120)
        client.bgrewriteaof()
        wait_until(is_done, "Redis does not end rewriting its file", seconds=120)
