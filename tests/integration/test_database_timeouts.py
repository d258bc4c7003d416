"""A statement that exceeds its timeout raises StoreUnavailable and leaves the pool complete."""

import asyncio
from dataclasses import replace

import pytest

from shared.domain.errors import StoreUnavailable
from shared.postgres.pool import Database, connect
from shared.process.settings import DatabaseSettings
from tests.integration.pools import LONG, NOTE, sleeping, words
from tests.integration.stores import Stores
from tests.support.waiting import equals, until


async def test_a_read_that_exceeds_the_timeout_raises_store_unavailable(database_with_short_timeouts: Database) -> None:
    with pytest.raises(StoreUnavailable):
        await database_with_short_timeouts.fetch_all(LONG)


async def test_a_write_that_exceeds_the_timeout_raises_store_unavailable(
    database_with_short_timeouts: Database,
) -> None:
    with pytest.raises(StoreUnavailable):
        await database_with_short_timeouts.execute(LONG)


async def test_a_statement_that_exceeds_the_timeout_rolls_its_transaction_back(
    notes: Database, database_with_short_timeouts: Database
) -> None:
    with pytest.raises(StoreUnavailable):  # noqa: PT012  # the end of the block may raise as well
        async with database_with_short_timeouts.transaction() as conn:
            await conn.execute(NOTE, ["lost"])
            await conn.execute(LONG)
    assert await words(notes) == []


async def test_a_read_that_exceeds_the_timeout_is_not_repeated(
    database: Database, database_with_short_timeouts: Database
) -> None:
    await database.execute("CREATE SEQUENCE tries")
    with pytest.raises(StoreUnavailable):
        await database_with_short_timeouts.fetch_all("SELECT nextval('tries'), pg_sleep(30)")
    assert await database.fetch_one("SELECT last_value AS tries FROM tries") == {"tries": 1}


async def test_the_pool_is_complete_after_a_statement_that_exceeded_the_timeout(
    database_with_short_timeouts: Database,
) -> None:
    with pytest.raises(StoreUnavailable):
        await database_with_short_timeouts.execute(LONG)
    await asyncio.gather(*(database_with_short_timeouts.ping() for _ in range(10)))
    assert database_with_short_timeouts.pool_use().used == 0


async def test_a_burst_of_statements_that_exceed_the_timeout_fails_for_each_of_them(
    database_with_short_timeouts: Database,
) -> None:
    async with asyncio.timeout(20):
        results = await asyncio.gather(
            *(database_with_short_timeouts.fetch_all(LONG) for _ in range(9)), return_exceptions=True
        )
    assert [type(result) for result in results] == [StoreUnavailable] * 9


async def test_the_pool_is_complete_after_a_burst_of_statements_that_exceeded_the_timeout(
    database_with_short_timeouts: Database,
) -> None:
    await asyncio.gather(*(database_with_short_timeouts.execute(LONG) for _ in range(9)), return_exceptions=True)
    await asyncio.gather(*(database_with_short_timeouts.ping() for _ in range(20)))
    assert database_with_short_timeouts.pool_use().used == 0


async def test_a_waiting_task_gets_a_connection_when_that_of_a_cancelled_task_is_closed(
    stores: Stores, database_name: str, database: Database
) -> None:
    async with connect(stores.database_settings(database_name, pool_size=1)) as small:
        holding = asyncio.create_task(small.fetch_all(LONG))
        await until(lambda: equals(sleeping(database), 1))
        waiting = asyncio.create_task(small.fetch_one("SELECT 7 AS seven"))
        await asyncio.sleep(0)
        holding.cancel()
        assert await waiting == {"seven": 7}


async def test_an_exhausted_pool_raises_store_unavailable(short_timeouts: DatabaseSettings) -> None:
    async with connect(replace(short_timeouts, pool_size=1, acquire_timeout=0.1)) as small, small.transaction():
        with pytest.raises(StoreUnavailable):
            await small.ping()
