"""Fixtures with real stores. Every test gets its own database, cloned from a template that is migrated once."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import psycopg2
import psycopg2.extensions
import pytest
import uvloop
from pytest_aiohttp import AiohttpClient

from deploy.local.configuration import database_url
from deploy.local.settings import LocalSettings
from deploy.local.state import SECRETS, secret
from services.stats.counting.stream_reader import StreamReader
from shared.domain.models import Link
from shared.postgres import migrate
from shared.postgres.pool import Database, connect
from shared.redis.client import RedisClient, redis_client
from shared.redis.route_records import RouteRecords
from tests.integration.counting import stream_of
from tests.integration.fast_path import app, client, publish
from tests.integration.lookups import count_reads, lookup, silent_redis, unavailable_database, unavailable_redis
from tests.integration.pools import database_with_short_timeouts, notes, short_timeouts
from tests.integration.recording import clicks, proxied_clicks, spool
from tests.integration.resolvers import serve
from tests.integration.services import start, start_with_unavailable
from tests.integration.stores import Stores
from tests.support.builders import make_link, make_owner
from tests.support.environments import environment
from tests.support.network import TcpProxy, running_proxy
from tests.support.stack import running_stores

__all__ = [
    "app",
    "clicks",
    "client",
    "count_reads",
    "database_with_short_timeouts",
    "lookup",
    "notes",
    "proxied_clicks",
    "publish",
    "serve",
    "short_timeouts",
    "silent_redis",
    "spool",
    "start",
    "start_with_unavailable",
    "unavailable_database",
    "unavailable_redis",
]
"""Fixtures of several test modules, each defined beside what belongs to it."""

TEMPLATE = "template_boltlink_test"
MEMORY = "/dev/shm"  # noqa: S108  # hundreds of databases are created, which a disk slows down
_numbers = itertools.count()


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loop of the services."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    """Running PostgreSQL and Redis, with a migrated template database."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            if _has_room(MEMORY):
                patch.setattr(tempfile, "tempdir", MEMORY)
            settings, _ = stack.enter_context(running_stores())
        owner = stack.enter_context(closing(_owner_of(settings)))
        found = Stores(settings, owner)
        found.execute(f'CREATE DATABASE "{TEMPLATE}"')
        passwords = {f"boltlink_{role}": secret(settings, role) for role in migrate.ROLES if role in SECRETS}
        asyncio.run(
            migrate.run(migrate.MigrateSettings(database=found.database_settings(TEMPLATE), passwords=passwords))
        )
        yield found


def _has_room(folder: str) -> bool:
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 2 * 2**30


def _owner_of(settings: LocalSettings) -> psycopg2.extensions.connection:
    url = database_url(settings, "boltlink", secret(settings, "postgres")).rpartition("/")[0]
    owner = psycopg2.connect(f"{url}/postgres")
    owner.autocommit = True
    return owner


@pytest.fixture
def database_name(stores: Stores) -> Iterator[str]:
    """The name of a new database, which is dropped after the test."""
    name = f"case_{next(_numbers)}_test"
    stores.execute(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}" STRATEGY FILE_COPY')
    yield name
    stores.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def database(stores: Stores, database_name: str) -> AsyncIterator[Database]:
    """The test's database with the role of its owner."""
    async with connect(stores.database_settings(database_name)) as found:
        yield found


@pytest.fixture
async def writer_database(stores: Stores, database_name: str) -> AsyncIterator[Database]:
    """The test's database with the role of the writer."""
    async with connect(stores.database_settings(database_name, "boltlink_writer")) as found:
        yield found


@pytest.fixture
async def resolver_database(stores: Stores, database_name: str) -> AsyncIterator[Database]:
    """The test's database with the role of a resolver."""
    async with connect(stores.database_settings(database_name, "boltlink_resolver")) as found:
        yield found


@pytest.fixture
async def stats_database(stores: Stores, database_name: str) -> AsyncIterator[Database]:
    """The test's database with the role of stats."""
    async with connect(stores.database_settings(database_name, "boltlink_stats")) as found:
        yield found


@pytest.fixture
async def redis(stores: Stores) -> AsyncIterator[RedisClient]:
    """A client of Redis, which is emptied before the test."""
    async with redis_client(stores.redis_settings()) as client:
        await client.flushall()
        yield client


@pytest.fixture
def environ(stores: Stores, database_name: str, redis: RedisClient, tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Makes the environment of a service by its role; the fixture `redis` empties Redis."""
    assert redis

    def make(role: str, **more: str) -> dict[str, str]:
        database = stores.database_settings(database_name, f"boltlink_{role}")
        return environment(database, stores.redis_settings(), spool_folder=tmp_path / "spool", **more)

    return make


@pytest.fixture
def aiohttp_client(database_name: str, aiohttp_client: AiohttpClient) -> AiohttpClient:
    """Clients of applications, which are closed before the test's database is dropped."""
    assert database_name
    return aiohttp_client


@pytest.fixture
def records(redis: RedisClient) -> RouteRecords:
    return RouteRecords(redis)


@pytest.fixture
async def proxy(stores: Stores) -> AsyncIterator[TcpProxy]:
    """A TCP proxy before Redis that the test may shut."""
    async with running_proxy(stores.settings.redis_port) as found:
        yield found


@pytest.fixture
async def owner_id(writer_database: Database) -> int:
    return await make_owner(writer_database)


@pytest.fixture
async def link(writer_database: Database, owner_id: int) -> Link:
    """A link with the code abc, without a record in Redis."""
    return await make_link(writer_database, owner_id=owner_id, code="abc")


@pytest.fixture
async def stream(redis: RedisClient) -> StreamReader:
    """The click stream, whose consumer group exists."""
    found = stream_of(redis)
    await found.read()
    return found
