"""Pools of connections with short timeouts, and a table to write into."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from shared.postgres.pool import Database, connect
from shared.process.settings import DatabaseSettings
from tests.integration.stores import Stores

LONG = "SELECT pg_sleep(30)"
NOTE = "INSERT INTO notes (word) VALUES (%s)"


@pytest.fixture
async def notes(database: Database) -> Database:
    """The database as its owner, with a table for the tests."""
    await database.execute("CREATE TABLE notes (word text PRIMARY KEY)")
    return database


@pytest.fixture
def short_timeouts(stores: Stores, database_name: str) -> DatabaseSettings:
    """Settings with short timeouts and a small pool."""
    settings = stores.database_settings(database_name, pool_size=2)
    return replace(settings, statement_timeout=0.15, acquire_timeout=1.5)


@pytest.fixture
async def database_with_short_timeouts(short_timeouts: DatabaseSettings) -> AsyncIterator[Database]:
    async with connect(short_timeouts) as found:
        yield found


async def words(database: Database) -> list[str]:
    return [row["word"] for row in await database.fetch_all("SELECT word FROM notes ORDER BY word")]


async def sleeping(database: Database) -> int:
    """The number of statements that are sleeping in Postgres."""
    row = await database.fetch_one(
        "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'"
    )
    assert row is not None
    return int(row["n"])
