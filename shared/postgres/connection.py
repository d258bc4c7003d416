"""One connection to Postgres: run statements and fetch rows."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import aiopg
from psycopg2.extras import RealDictCursor

from shared.domain.errors import StoreUnavailable
from shared.postgres.errors import translated_errors

Row = Mapping[str, Any]
Values = Mapping[str, Any] | Sequence[Any]


class Connection:
    """A connection that is in a transaction, or that runs a single statement."""

    def __init__(self, raw: aiopg.Connection) -> None:
        self._raw = raw

    async def execute(self, statement: str, values: Values | None = None) -> int:
        """Run a statement; the number of affected rows."""
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
        """Commit the transaction. Raises StoreUnavailable when Postgres rolls it back, as after a failed statement."""
        async with self._run("COMMIT", None) as cursor:
            if cursor.statusmessage != "COMMIT":
                raise StoreUnavailable("The database has rolled the transaction back.")

    @contextlib.asynccontextmanager
    async def _run(self, statement: str, values: Values | None) -> AsyncIterator[aiopg.Cursor]:
        with translated_errors():
            async with self._raw.cursor(cursor_factory=RealDictCursor) as cursor:
                await cursor.execute(statement, values)
                yield cursor


def quoted(name: str) -> str:
    """An SQL identifier (the name of a role, a database) in quotes, for statements that take no parameter there."""
    return '"' + name.replace('"', '""') + '"'
