import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, TypeVarTuple, cast

import pytest
import uvloop

from shared.domain.errors import StoreUnavailable, UniqueViolation
from shared.postgres.pool import Database, PoolUse, connect
from shared.process.settings import DatabaseSettings
from tests.integration.conftest import Stores
from tests.support.network import TcpProxy, at_port, refusing_port, running_proxy, silent_port
from tests.support.waiting import until

LONG = "SELECT pg_sleep(30)"
Arguments = TypeVarTuple("Arguments")
NOTE = "INSERT INTO notes (word) VALUES (%s)"


class WatchingLoop(uvloop.Loop):
    """The event loop of the services, which records the watched descriptors."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: set[tuple[str, Any]] = set()

    def add_reader(self, fd: Any, callback: Callable[[*Arguments], Any], *args: *Arguments) -> None:
        self.watched.add(("reading", fd))
        super().add_reader(fd, callback, *args)

    def add_writer(self, fd: Any, callback: Callable[[*Arguments], Any], *args: *Arguments) -> None:
        self.watched.add(("writing", fd))
        super().add_writer(fd, callback, *args)

    def remove_reader(self, fd: Any) -> Any:
        was_watched = ("reading", fd) in self.watched
        self.watched.discard(("reading", fd))
        super().remove_reader(fd)
        return was_watched

    def remove_writer(self, fd: Any) -> Any:
        was_watched = ("writing", fd) in self.watched
        self.watched.discard(("writing", fd))
        super().remove_writer(fd)
        return was_watched


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


@pytest.fixture
async def proxy(stores: Stores) -> AsyncIterator[TcpProxy]:
    """A TCP proxy before Postgres that the test may shut."""
    async with running_proxy(stores.settings.postgres_port) as found:
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


def end_connections(stores: Stores, database_name: str) -> None:
    """Make Postgres close every connection to a database."""
    stores.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database_name}'")


async def open_connections(database: Database, count: int) -> None:
    """Open connections, so that the pool has `count` idle ones."""
    await asyncio.gather(*(database.fetch_one("SELECT pg_sleep(0.5)") for _ in range(count)))
    assert database.pool_use().idle == count


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
        await until(lambda: _is(sleeping(database), 1))
        waiting = asyncio.create_task(small.fetch_one("SELECT 7 AS seven"))
        await asyncio.sleep(0)
        holding.cancel()
        assert await waiting == {"seven": 7}


async def test_an_exhausted_pool_raises_store_unavailable(short_timeouts: DatabaseSettings) -> None:
    async with connect(replace(short_timeouts, pool_size=1, acquire_timeout=0.1)) as small, small.transaction():
        with pytest.raises(StoreUnavailable):
            await small.ping()


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
        await until(lambda: _is(sleeping(watching), 1))
    end_connections(stores, database_name)
    assert [row["seven"] for row in await reading] == [7]


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
    await until(lambda: _is(sleeping(database), 1))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_cancelled_read_does_not_affect_others(stores: Stores, database_name: str, database: Database) -> None:
    async with connect(stores.database_settings(database_name, pool_size=2)) as small:
        reading = [asyncio.create_task(small.fetch_all(LONG)) for _ in range(2)]
        await until(lambda: _is(sleeping(database), 2))
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
    await until(lambda: _is(sleeping(notes), 1))
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


async def test_an_unavailable_server_raises_store_unavailable(short_timeouts: DatabaseSettings) -> None:
    with refusing_port() as port:
        async with connect(at_port(short_timeouts, port)) as unavailable:
            with pytest.raises(StoreUnavailable):
                await unavailable.fetch_all("SELECT 1")
            with pytest.raises(StoreUnavailable):
                await unavailable.execute("SELECT 1")


def test_a_connection_that_is_refused_leaves_no_socket_watched(short_timeouts: DatabaseSettings) -> None:
    async def refused() -> None:
        with refusing_port() as port:
            async with connect(at_port(short_timeouts, port)) as unavailable:
                with pytest.raises(StoreUnavailable):
                    await unavailable.ping()

    with asyncio.Runner(loop_factory=WatchingLoop) as runner:
        runner.run(refused())
        assert cast("WatchingLoop", runner.get_loop()).watched == set()


@pytest.mark.parametrize("statement", [LONG, f"SELECT '{'long' * 5_000_000}'"], ids=["waiting", "being sent"])
def test_a_connection_that_breaks_leaves_no_socket_watched(
    stores: Stores, short_timeouts: DatabaseSettings, statement: str
) -> None:
    async def broken() -> None:
        async with (
            running_proxy(stores.settings.postgres_port) as proxy,
            connect(at_port(short_timeouts, proxy.port)) as database,
        ):
            await database.ping()
            proxy.freeze()
            reading = asyncio.create_task(database.fetch_all(statement))
            await asyncio.sleep(0.1)
            await proxy.shut()
            with pytest.raises(StoreUnavailable):
                await reading

    with asyncio.Runner(loop_factory=WatchingLoop) as runner:
        runner.run(broken())
        assert cast("WatchingLoop", runner.get_loop()).watched == set()


async def test_a_connection_that_breaks_while_the_pool_opens_another_is_skipped(
    stores: Stores, database_name: str, proxy: TcpProxy
) -> None:
    settings = replace(stores.database_settings(database_name, pool_size=20), acquire_timeout=10.0)
    async with connect(at_port(settings, proxy.port)) as database:
        await asyncio.gather(*(database.ping() for _ in range(3)))
        for _ in range(30):
            reading = [asyncio.create_task(database.fetch_one("SELECT pg_sleep(0.001)")) for _ in range(20)]
            await asyncio.sleep(random.uniform(0, 0.005))  # noqa: S311  # no secret
            await proxy.shut()
            await proxy.open()
            results = await asyncio.gather(*reading, return_exceptions=True)
            assert {type(result) for result in results if isinstance(result, BaseException)} <= {StoreUnavailable}


async def test_a_server_that_does_not_respond_raises_store_unavailable_for_every_caller(
    short_timeouts: DatabaseSettings,
) -> None:
    with silent_port() as port:
        async with connect(replace(at_port(short_timeouts, port), acquire_timeout=0.3)) as silent, asyncio.timeout(10):
            results = await asyncio.gather(*(silent.ping() for _ in range(10)), return_exceptions=True)
    assert [type(result) for result in results] == [StoreUnavailable] * 10


async def test_a_server_that_stops_responding_raises_store_unavailable(
    short_timeouts: DatabaseSettings, proxy: TcpProxy
) -> None:
    async with connect(replace(at_port(short_timeouts, proxy.port), acquire_timeout=0.3)) as hanging:
        await hanging.ping()
        proxy.freeze()
        async with asyncio.timeout(10):
            with pytest.raises(StoreUnavailable):
                await hanging.ping()


async def test_a_transaction_on_a_server_that_stops_responding_ends(
    short_timeouts: DatabaseSettings, proxy: TcpProxy
) -> None:
    async with connect(at_port(short_timeouts, proxy.port)) as hanging, asyncio.timeout(10):
        with pytest.raises(StoreUnavailable):  # noqa: PT012  # the end of the block may raise as well
            async with hanging.transaction() as conn:
                proxy.freeze()
                await conn.execute("SELECT 1")
        assert hanging.pool_use().used == 0


async def test_a_server_that_is_available_again_is_used_again(
    short_timeouts: DatabaseSettings, proxy: TcpProxy
) -> None:
    async with connect(at_port(short_timeouts, proxy.port)) as found:
        await found.ping()
        await proxy.shut()
        with pytest.raises(StoreUnavailable):
            await found.ping()
        await proxy.open()
        await found.ping()


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


async def test_pool_use_counts_connections_in_use_and_idle(database: Database) -> None:
    assert database.pool_use() == PoolUse(used=0, idle=0, limit=5)
    async with database.transaction():
        assert database.pool_use() == PoolUse(used=1, idle=0, limit=5)
    assert database.pool_use() == PoolUse(used=0, idle=1, limit=5)


async def test_a_pool_never_exceeds_its_limit(stores: Stores, database_name: str) -> None:
    async with connect(stores.database_settings(database_name, pool_size=3)) as small:
        await asyncio.gather(*(small.fetch_all("SELECT pg_sleep(0.02)") for _ in range(12)))
        assert small.pool_use() == PoolUse(used=0, idle=3, limit=3)


async def test_a_running_statement_ends_when_the_pool_closes(
    stores: Stores, database_name: str, database: Database
) -> None:
    async with connect(stores.database_settings(database_name)) as closing:
        reading = asyncio.create_task(closing.fetch_all(LONG))
        await until(lambda: _is(sleeping(database), 1))
    async with asyncio.timeout(10):
        with pytest.raises(StoreUnavailable):
            await reading


async def _is(number: Any, expected: int) -> bool:
    return bool(await number == expected)
