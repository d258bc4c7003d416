"""Bring the database up to date: `python -m shared.postgres.migrate`.

Runs the numbered files of `shared/postgres/migrations/` that have not run yet, in order, each in its own transaction
and under an advisory lock. Stops with an error when a file was changed after it ran.
"""

import asyncio
import hashlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from shared.domain.errors import SettingsError, StoreUnavailable
from shared.postgres.connection import Connection, quoted
from shared.postgres.pool import Database, connect
from shared.process import logging as logs
from shared.process.settings import DatabaseSettings, Environment

FOLDER: Final = Path(__file__).parent / "migrations"
ROLES: Final = ("writer", "resolver", "stats", "monitor")

STATEMENT_TIMEOUT: Final = 600.0
"""Seconds for one migration; the limit of the services is too short to build an index on a large table."""

_LOCK: Final = 7_230_417_001
"""The key of the advisory lock: an arbitrary number that no other program in this database uses."""


class MigrationChanged(Exception):
    """A migration was changed after it ran."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MigrateSettings:
    """The owner's access to the database, and the passwords of the services' roles (role → password or "")."""

    database: DatabaseSettings
    passwords: Mapping[str, str]

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Self:
        env = Environment(values)
        settings = cls(
            database=DatabaseSettings.read(env),
            passwords={f"boltlink_{role}": env.secret(f"{role.upper()}_DATABASE_PASSWORD", "") for role in ROLES},
        )
        env.finish()
        return settings


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered SQL file."""

    name: str
    statements: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.statements.encode()).hexdigest()


def read_migrations(folder: Path = FOLDER) -> list[Migration]:
    """All migrations of a folder, in the order in which they run."""
    return [Migration(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("[0-9]*.sql"))]


async def migrate(database: Database, migrations: list[Migration]) -> list[str]:
    """Run the migrations that have not run yet; the names of those that ran now."""
    names = []
    for migration in migrations:
        async with database.transaction() as conn:
            await conn.execute("SET LOCAL lock_timeout = '10s'")
            await conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            if await _run_once(conn, migration):
                names.append(migration.name)
    return names


async def _run_once(conn: Connection, migration: Migration) -> bool:
    await conn.execute(
        """
        CREATE TABLE IF NOT EXISTS migrations (
            name text PRIMARY KEY, checksum text NOT NULL, ran_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    row = await conn.fetch_one("SELECT checksum FROM migrations WHERE name = %s", [migration.name])
    if row is not None:
        if row["checksum"] != migration.checksum:
            raise MigrationChanged(f"{migration.name} was changed after it ran; add a new migration instead.")
        return False
    await conn.execute(migration.statements)
    await conn.execute("INSERT INTO migrations (name, checksum) VALUES (%s, %s)", [migration.name, migration.checksum])
    return True


async def set_passwords(database: Database, passwords: Mapping[str, str]) -> None:
    """Set the passwords of the services' roles and let them log in; a role with an empty password is not changed."""
    async with database.transaction() as conn:
        await conn.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        for role, password in passwords.items():
            if password:
                await conn.execute(f"ALTER ROLE {quoted(role)} LOGIN PASSWORD %s", [password])


async def run(settings: MigrateSettings) -> list[str]:
    """Migrate the database and set the passwords; the names of the migrations that ran now."""
    async with connect(replace(settings.database, statement_timeout=STATEMENT_TIMEOUT)) as database:
        names = await migrate(database, read_migrations())
        await set_passwords(database, settings.passwords)
        return names


def main() -> int:
    logs.configure("migrate", "INFO")
    try:
        names = asyncio.run(run(MigrateSettings.from_env(os.environ)))
    except (SettingsError, StoreUnavailable, MigrationChanged) as fault:
        print(f"migrate: {fault}", file=sys.stderr)
        return 1
    print(f"migrate: ran {', '.join(names)}" if names else "migrate: nothing to do")
    return 0


if __name__ == "__main__":
    sys.exit(main())
