"""Real PostgreSQL and Redis. Every test gets a database of its own, cloned from one that is migrated once."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import pytest
import uvloop

from local import postgres
from local.configuration import database_url
from local.packages import Servers
from local.settings import LocalSettings
from local.state import secret
from shared import migrate
from shared.database import Database, connect
from shared.resources import RedisClient, redis_client
from shared.settings import DatabaseSettings, RedisSettings
from tests.support.stack import running_stores

TEMPLATE = "template_boltlink_test"
_numbers = itertools.count()


@dataclass(frozen=True)
class Stores:
    """The running servers, and how to reach them."""

    settings: LocalSettings
    servers: Servers

    def psql(self, statement: str) -> str:
        """Run a statement as the owner, outside of any test's database."""
        return postgres.psql(self.settings, self.servers, statement, database="postgres")

    def database_settings(self, name: str, role: str = "boltlink", *, pool_size: int = 5) -> DatabaseSettings:
        """How to reach a database as a role: `boltlink` owns it, `boltlink_writer` and its like are the services'."""
        assert name.endswith("_test")
        password = secret(self.settings, "postgres" if role == "boltlink" else role.removeprefix("boltlink_"))
        url = database_url(self.settings, role, password).rpartition("/")[0] + f"/{name}"
        return DatabaseSettings(
            url=url, pool_size=pool_size, acquire_timeout=2.0, connect_timeout=2.0, statement_timeout=5.0
        )

    def redis_settings(self, timeout: float = 2.0) -> RedisSettings:
        url = f"redis://:{secret(self.settings, 'redis')}@127.0.0.1:{self.settings.redis_port}/0"
        return RedisSettings(url=url, timeout=timeout)


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], uvloop.Loop]]:
    """The event loop that the services run on: how a driver behaves differs from loop to loop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def stores() -> Iterator[Stores]:
    """PostgreSQL and Redis, with a migrated template."""
    with running_stores() as (settings, servers):
        found = Stores(settings, servers)
        found.psql(f'CREATE DATABASE "{TEMPLATE}"')
        passwords = {f"boltlink_{role}": secret(settings, role) for role in migrate.ROLES}
        asyncio.run(
            migrate.run(migrate.MigrateSettings(database=found.database_settings(TEMPLATE), passwords=passwords))
        )
        yield found


@pytest.fixture
def database_name(stores: Stores) -> Iterator[str]:
    """A new database, removed after the test."""
    name = f"case_{next(_numbers)}_test"
    stores.psql(f'CREATE DATABASE "{name}" TEMPLATE "{TEMPLATE}"')
    yield name
    stores.psql(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def database(stores: Stores, database_name: str) -> AsyncIterator[Database]:
    """The test's database as its owner."""
    async with connect(stores.database_settings(database_name)) as found:
        yield found


@pytest.fixture
async def writer_database(stores: Stores, database_name: str) -> AsyncIterator[Database]:
    """The test's database as the writer sees it."""
    async with connect(stores.database_settings(database_name, "boltlink_writer")) as found:
        yield found


@pytest.fixture
async def resolver_database(stores: Stores, database_name: str) -> AsyncIterator[Database]:
    """The test's database as a resolver sees it."""
    async with connect(stores.database_settings(database_name, "boltlink_resolver")) as found:
        yield found


@pytest.fixture
async def stats_database(stores: Stores, database_name: str) -> AsyncIterator[Database]:
    """The test's database as stats sees it."""
    async with connect(stores.database_settings(database_name, "boltlink_stats")) as found:
        yield found


@pytest.fixture
async def redis(stores: Stores) -> AsyncIterator[RedisClient]:
    """Redis, empty."""
    async with redis_client(stores.redis_settings()) as client:
        await client.flushall()
        yield client
