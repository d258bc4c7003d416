"""A pool of connections to Postgres, based on aiopg.

Only the modules of this folder import aiopg and psycopg2, and work around their defects: aiopg does not wake a waiting
task when a closed connection is released, and a connection that the server has closed is noticed only by the next
statement. A failure becomes `StoreUnavailable`, or is hidden by one retry where repeating is harmless.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import aiopg
import psycopg2.extensions

from shared.domain.errors import StoreUnavailable
from shared.postgres.connection import Connection, Row, Values
from shared.postgres.errors import UNAVAILABLE_DETAIL, translated_errors
from shared.postgres.sockets import WatchedConnection
from shared.process.settings import DatabaseSettings

CLIENT_GRACE: Final = 1.0
"""Seconds after Postgres's statement timeout until the client gives a connection up as hanging."""


@dataclass(frozen=True, slots=True)
class PoolUse:
    """Numbers of connections of a pool: in use, idle, and the maximum."""

    used: int
    idle: int
    limit: int


class Database:
    """A pool of connections to Postgres."""

    def __init__(self, pool: aiopg.Pool, settings: DatabaseSettings) -> None:
        self._pool = pool
        self._settings = settings

    @contextlib.asynccontextmanager
    async def transaction(self, *, lock_timeout: float | None = None) -> AsyncIterator[Connection]:
        """One transaction: committed at the end of the block, rolled back when the block raises.

        `lock_timeout`: seconds to wait for a lock. Raises StoreUnavailable when Postgres cannot be reached, does not
        respond in time or aborts the transaction; it is `contended` when the cause is a lock of another transaction.
        """
        begin = "BEGIN ISOLATION LEVEL READ COMMITTED"
        if lock_timeout is not None:
            begin += f"; SET LOCAL lock_timeout = {round(lock_timeout * 1000)}"
        raw = await self._begin(begin)
        conn = Connection(raw)
        try:
            yield conn
            await conn.commit()
        except BaseException:
            await self._roll_back(raw)
            raise
        finally:
            self._release(raw)

    async def fetch_one(self, statement: str, values: Values | None = None) -> Row | None:
        """The first row of a single read-only statement, or None."""
        rows = await self.fetch_all(statement, values)
        return rows[0] if rows else None

    async def fetch_all(self, statement: str, values: Values | None = None) -> list[Row]:
        """All rows of a single read-only statement, which is repeated once if the connection was closed."""
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
        """Run a single statement in its own transaction; the number of affected rows."""
        async with self.transaction() as conn:
            return await conn.execute(statement, values)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless Postgres responds."""
        await self.fetch_one("SELECT 1 AS one")

    def pool_use(self) -> PoolUse:
        """The current numbers of connections."""
        return PoolUse(
            used=self._pool.size - self._pool.freesize,
            idle=self._pool.freesize,
            limit=self._settings.pool_size,
        )

    async def _begin(self, statement: str) -> aiopg.Connection:
        """Begin a transaction. A closed connection is replaced once, which is safe because nothing has been written."""
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
                raise StoreUnavailable(UNAVAILABLE_DETAIL)
            async with asyncio.timeout(self._settings.acquire_timeout):
                return await self._open_connection()
        raise AssertionError("unreachable")

    async def _open_connection(self) -> aiopg.Connection:
        """A connection of the pool. aiopg raises AssertionError for one that broke meanwhile; then retry."""
        while True:
            try:
                return await self._pool.acquire()
            except AssertionError:
                continue

    async def _roll_back(self, raw: aiopg.Connection) -> None:
        if raw.closed:
            return
        try:
            await Connection(raw).execute("ROLLBACK")
        except BaseException:
            raw.close()
            raise

    def _discard(self, raw: aiopg.Connection) -> None:
        """Close a connection and release its place in the pool."""
        try:
            raw.close()
        finally:
            self._release(raw)

    def _release(self, raw: aiopg.Connection) -> None:
        """Return a connection to the pool, closed if it is not idle, and wake a task that waits for one."""
        raw.raw.forget_closed_socket()
        if not raw.closed and raw.raw.get_transaction_status() != psycopg2.extensions.TRANSACTION_STATUS_IDLE:
            raw.close()
        self._pool.release(raw)
        if raw.closed:
            task = asyncio.ensure_future(self._pool._wakeup())  # noqa: SLF001  # aiopg does not do it for closed ones
            _WAKEUP_TASKS.add(task)
            task.add_done_callback(_WAKEUP_TASKS.discard)


_WAKEUP_TASKS: Final[set[asyncio.Future[None]]] = set()
"""References to running tasks, because the event loop keeps only weak ones."""


@contextlib.asynccontextmanager
async def connect(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """A pool that is closed at the end. It connects on first use, so Postgres may be unavailable at the start."""
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
        # Postgres ends a statement whose client has disconnected, and releases its locks, within a second.
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
