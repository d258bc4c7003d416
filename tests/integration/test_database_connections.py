"""Connections that PostgreSQL closed are replaced."""

import asyncio

import pytest

from shared.domain.errors import StoreUnavailable
from shared.postgres.pool import Database, connect
from tests.integration.pools import NOTE, sleeping, words
from tests.integration.stores import Stores
from tests.support.waiting import equals, until


def end_connections(stores: Stores, database_name: str) -> None:
    """Make Postgres close every connection to a database."""
    stores.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database_name}'")


async def open_connections(database: Database, count: int) -> None:
    """Open connections, so that the pool has `count` idle ones."""
    await asyncio.gather(*(database.fetch_one("SELECT pg_sleep(0.5)") for _ in range(count)))
    assert database.pool_use().idle == count


async def test_a_connection_that_the_server_closed_is_replaced_for_a_read(
    stores: Stores, database_name: str, database: Database
) -> None:
    await open_connections(database, 1)
    end_connections(stores, database_name)
    assert await database.fetch_one("SELECT 7 AS seven") == {"seven": 7}


async def test_a_connection_that_the_server_closed_is_replaced_for_a_transaction(
    stores: Stores, database_name: str, notes: Database
) -> None:
    await open_connections(notes, 1)
    end_connections(stores, database_name)
    await notes.execute(NOTE, ["kept"])
    assert await words(notes) == ["kept"]


@pytest.mark.parametrize("statement", ["read", "write"])
async def test_a_pool_whose_connections_the_server_closed_is_replaced(
    stores: Stores, database_name: str, database: Database, statement: str
) -> None:
    await open_connections(database, 5)
    end_connections(stores, database_name)
    if statement == "read":
        await database.ping()
    else:
        await database.execute("SELECT 1")


async def test_a_connection_that_the_server_closes_inside_a_transaction_raises_store_unavailable(
    stores: Stores, database_name: str, notes: Database
) -> None:
    with pytest.raises(StoreUnavailable):  # noqa: PT012  # the end of the block may raise as well
        async with notes.transaction() as conn:
            await conn.execute(NOTE, ["lost"])
            end_connections(stores, database_name)
            await conn.execute(NOTE, ["lost too"])
    assert await words(notes) == []


async def test_a_connection_that_the_server_closes_before_the_commit_raises_store_unavailable(
    stores: Stores, database_name: str, notes: Database
) -> None:
    with pytest.raises(StoreUnavailable):  # noqa: PT012  # the end of the block may raise as well
        async with notes.transaction() as conn:
            await conn.execute(NOTE, ["lost"])
            end_connections(stores, database_name)
    assert await words(notes) == []


async def test_a_read_is_repeated_when_the_server_closes_its_connection(
    stores: Stores, database_name: str, database: Database
) -> None:
    reading = asyncio.create_task(database.fetch_all("SELECT pg_sleep(1), 7 AS seven"))
    async with connect(stores.database_settings(database_name)) as watching:
        await until(lambda: equals(sleeping(watching), 1))
    end_connections(stores, database_name)
    assert [row["seven"] for row in await reading] == [7]
