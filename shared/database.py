"""Postgres, by aiopg. The driver's traps are held here, once; nothing else imports aiopg or psycopg2.

The traps: a statement that Postgres cancels (`statement_timeout`) comes out of aiopg as `asyncio.CancelledError`;
a released connection that is closed wakes nobody who waits for one; a connection that the server has closed is noticed
only by its next statement; a socket that libpq has closed stays watched. Each is turned into `StoreUnavailable`, or
hidden, by one retry where that is harmless.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import aiopg
import psycopg2
import psycopg2.errors
import psycopg2.extensions
from psycopg2.extras import RealDictCursor

from shared.errors import ReferenceGone, StoreUnavailable, UniqueViolation
from shared.settings import DatabaseSettings

log = logging.getLogger(__name__)

Row = Mapping[str, Any]
Values = Mapping[str, Any] | Sequence[Any]

CLIENT_GRACE: Final = 1.0
"""Seconds that a statement may run past Postgres's own limit before the connection is given up as hanging."""

_AWAY = "The database did not answer in time."


class _RawConnection(psycopg2.extensions.connection):
    """A connection of which the event loop forgets the socket in the same moment in which libpq closes it.

    libpq closes a socket that could not connect, or broke, by itself, and the next one that the process opens, to Redis
    for example, gets its number. aiopg forgets to stop the watch for writing then. uvloop would go on with the old
    watch under that number: the new socket would hear nothing, for as long as it is tried, or the process is aborted.
    """

    _number: int | None = None

    def fileno(self) -> int:
        """The socket's number; aiopg asks for it once, right before it has it watched."""
        self._number = super().fileno()
        return self._number

    def poll(self) -> int:
        try:
            state: int = super().poll()
        except psycopg2.Error:
            self.forget_closed_socket()
            raise
        return state

    def close(self) -> None:
        self._number = None  # aiopg has had it forgotten; from now on the number may be another socket's
        super().close()

    def forget_closed_socket(self) -> None:
        """Have the event loop watch the socket no more, if libpq has closed it."""
        if self._number is not None and not self._has_socket():
            _stop_watching(self._number)
            self._number = None

    def _has_socket(self) -> bool:
        try:
            return super().fileno() >= 0
        except psycopg2.InterfaceError:  # the connection is closed
            return False


def _stop_watching(number: int) -> None:
    loop = asyncio.get_running_loop()
    for stop in (loop.remove_reader, loop.remove_writer):
        with contextlib.suppress(OSError):  # asyncio's own loop tells the kernel, which knows the number no more
            stop(number)


class Connection:
    """One connection inside a transaction, or for one statement."""

    def __init__(self, raw: aiopg.Connection) -> None:
        self._raw = raw

    async def execute(self, statement: str, values: Values | None = None) -> int:
        """Run a statement; the number of rows it touched."""
        async with self._run(statement, values) as cursor:
            return int(cursor.rowcount)

    async def fetch_one(self, statement: str, values: Values | None = None) -> Row | None:
        """The first row, or None."""
        async with self._run(statement, values) as cursor:
            row: Row | None = await cursor.fetchone()
            return row

    async def fetch_all(self, statement: str, values: Values | None = None) -> list[Row]:
        """All rows."""
        async with self._run(statement, values) as cursor:
            return list(await cursor.fetchall())

    async def commit(self) -> None:
        """End the transaction. Raises StoreUnavailable when Postgres undid it, as it does after a failed statement."""
        async with self._run("COMMIT", None) as cursor:
            if cursor.statusmessage != "COMMIT":
                raise StoreUnavailable("The database has undone the transaction.")

    @contextlib.asynccontextmanager
    async def _run(self, statement: str, values: Values | None) -> AsyncIterator[aiopg.Cursor]:
        with _translated():
            async with self._raw.cursor(cursor_factory=RealDictCursor) as cursor:
                await cursor.execute(statement, values)
                yield cursor


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
        with _translated():
            if self._pool._closing:  # noqa: SLF001  # aiopg would raise a RuntimeError
                raise StoreUnavailable(_AWAY)
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
        connection_factory=_RawConnection,
    )
    try:
        yield Database(pool, settings)
    finally:
        pool.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLIENT_GRACE):
                await pool.wait_closed()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except psycopg2.errors.UniqueViolation as fault:
        raise UniqueViolation(fault.diag.constraint_name or "") from fault
    except psycopg2.errors.ForeignKeyViolation as fault:
        raise ReferenceGone from fault
    except (psycopg2.errors.DeadlockDetected, psycopg2.errors.LockNotAvailable) as fault:
        log.warning("postgres: %s", str(fault).strip())
        raise StoreUnavailable("Others wanted the same at the same time.", contended=True) from fault
    except (psycopg2.OperationalError, psycopg2.InterfaceError, OSError) as fault:
        log.warning("postgres: %s", str(fault).strip() or type(fault).__name__)
        raise StoreUnavailable(_AWAY) from fault
    except psycopg2.DatabaseError as fault:
        if fault.pgcode is None:  # the server went away in the middle: no SQLSTATE, no reason
            raise StoreUnavailable(_AWAY) from fault
        raise
    except asyncio.CancelledError as fault:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # somebody really cancelled us
        log.warning("postgres: a statement ran into its time limit")
        raise StoreUnavailable(_AWAY) from fault


def quoted(name: str) -> str:
    """A name (of a role, a database) as SQL writes it, for the statements that take no parameter there."""
    return '"' + name.replace('"', '""') + '"'
