"""A pool outlives a PostgreSQL that is unavailable, hangs or breaks connections, and keeps its limit."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any, TypeVarTuple, cast

import pytest
import uvloop

from shared.domain.errors import StoreUnavailable
from shared.postgres.pool import Database, PoolUse, connect
from shared.process.settings import DatabaseSettings
from tests.integration.pools import LONG, sleeping
from tests.integration.stores import Stores
from tests.support.network import TcpProxy, at_port, refusing_port, running_proxy, silent_port
from tests.support.waiting import equals, until

Arguments = TypeVarTuple("Arguments")


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
async def proxy(stores: Stores) -> AsyncIterator[TcpProxy]:
    """A TCP proxy before Postgres that the test may shut."""
    async with running_proxy(stores.settings.postgres_port) as found:
        yield found


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
        await until(lambda: equals(sleeping(database), 1))
    async with asyncio.timeout(10):
        with pytest.raises(StoreUnavailable):
            await reading
