"""A transaction is committed as a whole, or not at all, also when its task is cancelled."""

import asyncio

import pytest

from shared.domain.errors import StoreUnavailable, UniqueViolation
from shared.postgres.pool import Database, connect
from tests.integration.pools import LONG, NOTE, sleeping, words
from tests.integration.stores import Stores
from tests.support.waiting import equals, until


async def test_an_exception_rolls_the_transaction_back(notes: Database) -> None:
    with pytest.raises(LookupError):  # noqa: PT012  # the end of the block may raise as well
        async with notes.transaction() as conn:
            await conn.execute(NOTE, ["lost"])
            raise LookupError
    assert await words(notes) == []


async def test_the_end_of_the_block_commits_the_transaction(notes: Database) -> None:
    async with notes.transaction() as conn:
        await conn.execute(NOTE, ["kept"])
    assert await words(notes) == ["kept"]


async def test_a_transaction_is_invisible_before_its_commit(notes: Database) -> None:
    async with notes.transaction() as conn:
        await conn.execute(NOTE, ["not yet"])
        assert await words(notes) == []


async def test_a_transaction_that_postgres_aborts_raises_store_unavailable(notes: Database) -> None:
    await notes.execute(NOTE, ["one"])
    with pytest.raises(StoreUnavailable):  # noqa: PT012  # the end of the block may raise as well
        async with notes.transaction() as conn:
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            await conn.fetch_all("SELECT word FROM notes")
            await notes.execute("UPDATE notes SET word = 'two'")
            await conn.execute("UPDATE notes SET word = 'three'")
    assert await words(notes) == ["two"]


async def test_a_cancelled_read_stays_cancelled(database: Database) -> None:
    reading = asyncio.create_task(database.fetch_all(LONG))
    await until(lambda: equals(sleeping(database), 1))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_cancelled_read_does_not_affect_others(stores: Stores, database_name: str, database: Database) -> None:
    async with connect(stores.database_settings(database_name, pool_size=2)) as small:
        reading = [asyncio.create_task(small.fetch_all(LONG)) for _ in range(2)]
        await until(lambda: equals(sleeping(database), 2))
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        await asyncio.gather(*(small.ping() for _ in range(10)))
        assert small.pool_use().used == 0


async def test_a_cancelled_transaction_is_rolled_back_and_stays_cancelled(notes: Database) -> None:
    async def work() -> None:
        async with notes.transaction() as conn:
            await conn.execute(NOTE, ["lost"])
            await conn.execute(LONG)

    working = asyncio.create_task(work())
    await until(lambda: equals(sleeping(notes), 1))
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await words(notes) == []


async def test_a_task_cancelled_between_two_statements_rolls_its_transaction_back(notes: Database) -> None:
    written = asyncio.Event()

    async def work() -> None:
        async with notes.transaction() as conn:
            await conn.execute(NOTE, ["lost"])
            written.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await written.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await words(notes) == []
    assert notes.pool_use().used == 0


async def test_a_task_cancelled_while_it_waits_for_a_connection_uses_none(stores: Stores, database_name: str) -> None:
    async with connect(stores.database_settings(database_name, pool_size=1)) as small:
        async with small.transaction():
            waiting = asyncio.create_task(small.ping())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
        await small.ping()
        assert small.pool_use().used == 0


async def test_a_timeout_of_the_caller_raises_timeout_error(database: Database) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await database.fetch_all(LONG)
    await database.ping()


async def test_a_taken_value_raises_unique_violation_with_the_name_of_the_index(notes: Database) -> None:
    await notes.execute(NOTE, ["one"])
    with pytest.raises(UniqueViolation) as caught:
        await notes.execute(NOTE, ["one"])
    assert caught.value.constraint == "notes_pkey"


async def test_a_unique_violation_leaves_the_pool_complete(notes: Database) -> None:
    await notes.execute(NOTE, ["one"])
    await asyncio.gather(*(notes.execute(NOTE, ["one"]) for _ in range(20)), return_exceptions=True)
    assert notes.pool_use().used == 0
    assert await words(notes) == ["one"]
