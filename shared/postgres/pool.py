"""A pool of connections to Postgres, by aiopg.

The driver's traps are held in this folder, and nothing outside of it imports aiopg or psycopg2. A released connection
that is closed wakes nobody who waits for one; a connection that the server has closed is noticed only by its next
statement. Each is turned into `StoreUnavailable`, or hidden by one retry where that is harmless.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Literal

import aiopg
import psycopg2.extensions

from shared.domain.errors import StoreUnavailable
from shared.postgres.connection import Connection, Row, Values
from shared.postgres.errors import UNAVAILABLE, translated_errors
from shared.postgres.sockets import WatchedConnection
from shared.process.settings import DatabaseSettings

CLIENT_GRACE: Final = 1.0
"""Seconds that a statement may run past Postgres's own limit before the connection is given up as hanging."""


@dataclass(frozen=True, slots=True)
class PoolUse:
    """How busy a pool is: connections in use, idle, and allowed."""

    used: int
    idle: int
    limit: int


class Database:
    """A pool of connections to Postgres."""

    def __init__(self, pool: aiopg.Pool, settings: DatabaseSettings) -> None:
        self._pool = pool
        self._settings = settings

    @contextlib.asynccontextmanager
    async def transaction(
        self,
        isolation: Literal["READ COMMITTED", "REPEATABLE READ"] = "READ COMMITTED",
        *,
        lock_timeout: float | None = None,
    ) -> AsyncIterator[Connection]:
        """One transaction: committed when the block ends, undone when it raises.

        Raises StoreUnavailable when Postgres cannot be reached, does not answer in time, or gives the transaction up;
        a `contended` one when that was for another transaction, also one waited for longer than `lock_timeout` seconds.
        """
        begin = f"BEGIN ISOLATION LEVEL {isolation}"
        if lock_timeout is not None:
            begin += f"; SET LOCAL lock_timeout = {round(lock_timeout * 1000)}"
        raw = await self._begun(begin)
        conn = Connection(raw)
        try:
            yield conn
            await conn.commit()
        except BaseException:
            await self._undo(raw)
            raise
        finally:
            self._release(raw)

    async def fetch_one(self, statement: str, values: Values | None = None) -> Row | None:
        """The first row of a lone statement that only reads."""
        rows = await self.fetch_all(statement, values)
        return rows[0] if rows else None

    async def fetch_all(self, statement: str, values: Values | None = None) -> list[Row]:
        """All rows of a lone statement that only reads; repeated once when the connection turns out to be dead."""
        for last_try in (False, True):
            raw = await self._acquire()
            try:
                return await Connection(raw).fetch_all(statement, values)
            except StoreUnavailable:
                if last_try or not raw.closed:
                    raise
            except asyncio.CancelledError:
                raw.close()
                raise
            finally:
                self._release(raw)
        raise AssertionError("unreachable")

    async def execute(self, statement: str, values: Values | None = None) -> int:
        """Run a lone statement that writes, in a transaction of its own; the number of rows it touched."""
        async with self.transaction() as conn:
            return await conn.execute(statement, values)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless Postgres answers."""
        await self.fetch_one("SELECT 1 AS one")

    def pool_use(self) -> PoolUse:
        """How busy the pool is right now."""
        return PoolUse(
            used=self._pool.size - self._pool.freesize,
            idle=self._pool.freesize,
            limit=self._settings.pool_size,
        )

    async def _begun(self, statement: str) -> aiopg.Connection:
        """A connection whose transaction has begun; a dead one is replaced once, since nothing has happened yet."""
        for last_try in (False, True):
            raw = await self._acquire()
            try:
                await Connection(raw).execute(statement)
            except StoreUnavailable:
                self._discard(raw)
                if last_try:
                    raise
            except BaseException:
                self._discard(raw)
                raise
            else:
                return raw
        raise AssertionError("unreachable")

    async def _acquire(self) -> aiopg.Connection:
        with translated_errors():
            if self._pool._closing:  # noqa: SLF001  # aiopg would raise a RuntimeError
                raise StoreUnavailable(UNAVAILABLE)
            async with asyncio.timeout(self._settings.acquire_timeout):
                return await self._from_pool()
        raise AssertionError("unreachable")

    async def _from_pool(self) -> aiopg.Connection:
        """A connection; one that broke while the pool waited for another is passed over, where aiopg only asserts."""
        while True:
            try:
                return await self._pool.acquire()
            except AssertionError:
                continue

    async def _undo(self, raw: aiopg.Connection) -> None:
        if raw.closed:
            return
        try:
            await Connection(raw).execute("ROLLBACK")
        except BaseException:
            raw.close()
            raise

    def _discard(self, raw: aiopg.Connection) -> None:
        try:
            raw.close()
        finally:
            self._release(raw)

    def _release(self, raw: aiopg.Connection) -> None:
        """Give a connection back; what is not idle is closed, and whoever waits is woken either way."""
        raw.raw.forget_closed_socket()
        if not raw.closed and raw.raw.get_transaction_status() != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
            raw.close()
        self._pool.release(raw)
        if raw.closed:
            _WAKING.add(task := asyncio.ensure_future(self._pool._wakeup()))  # noqa: SLF001  # aiopg forgets to
            task.add_done_callback(_WAKING.discard)


_WAKING: Final[set[asyncio.Future[None]]] = set()


@contextlib.asynccontextmanager
async def connect(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """A pool that is closed at the end. Nothing is opened before the first statement, so Postgres may be away."""
    pool = await aiopg.create_pool(
        settings.url,
        minsize=0,
        maxsize=settings.pool_size,
        timeout=settings.statement_timeout + CLIENT_GRACE,
        enable_hstore=False,
        enable_json=True,
        enable_uuid=False,
        connect_timeout=max(2, round(settings.connect_timeout)),
        options=f"-c statement_timeout={round(settings.statement_timeout * 1000)} -c timezone=UTC"
        # A statement whose client has gone ends, and gives its locks back, within a second.
        " -c client_connection_check_interval=1000",
        application_name="boltlink",
        connection_factory=WatchedConnection,
    )
    try:
        yield Database(pool, settings)
    finally:
        pool.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLIENT_GRACE):
                await pool.wait_closed()
