import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg2.errors
import pytest

from shared.postgres import migrate
from shared.postgres.connection import quoted
from shared.postgres.migrate import Migration, MigrationChanged
from shared.postgres.pool import Database, connect
from shared.process.settings import DatabaseSettings
from tests.integration.stores import Stores
from tests.support.network import at_port, refusing_port

CHECKOUT = Path(__file__).parents[2]
ODD = 'odd "role"'
NAMES = [migration.name for migration in migrate.read_migrations()]


@pytest.fixture
def empty(stores: Stores) -> Iterator[DatabaseSettings]:
    """A database in which no migration has run."""
    stores.execute('CREATE DATABASE "empty_test"')
    yield stores.database_settings("empty_test")
    stores.execute('DROP DATABASE "empty_test" WITH (FORCE)')


@pytest.fixture
async def empty_database(empty: DatabaseSettings) -> AsyncIterator[Database]:
    async with connect(empty) as found:
        yield found


async def ran(database: Database) -> list[str]:
    return [row["name"] for row in await database.fetch_all("SELECT name FROM migrations ORDER BY name")]


async def exists(database: Database, table: str) -> bool:
    row = await database.fetch_one("SELECT to_regclass(%s) IS NOT NULL AS found", [table])
    return bool(row and row["found"])


async def test_an_empty_database_gets_all_migrations_in_order(empty_database: Database) -> None:
    assert await migrate.migrate(empty_database, migrate.read_migrations()) == NAMES
    assert await ran(empty_database) == NAMES


async def test_a_second_run_does_nothing(database: Database) -> None:
    before = await database.fetch_all("SELECT * FROM migrations ORDER BY name")
    assert await migrate.migrate(database, migrate.read_migrations()) == []
    assert await database.fetch_all("SELECT * FROM migrations ORDER BY name") == before


async def test_a_new_migration_runs_once(database: Database) -> None:
    new = Migration("9001_new", "CREATE TABLE new_table (x int)")
    assert await migrate.migrate(database, [*migrate.read_migrations(), new]) == ["9001_new"]
    assert await migrate.migrate(database, [*migrate.read_migrations(), new]) == []


async def test_a_file_that_was_changed_since_it_ran_is_refused(database: Database) -> None:
    first, *others = migrate.read_migrations()
    changed = replace(first, statements=first.statements + "\n-- changed")
    with pytest.raises(MigrationChanged, match=first.name):
        await migrate.migrate(database, [changed, *others])


async def test_no_migration_runs_after_a_file_that_was_changed(database: Database) -> None:
    *others, last = migrate.read_migrations()
    changed = replace(last, statements="SELECT 1")
    new = Migration("9001_new", "CREATE TABLE new_table (x int)")
    with pytest.raises(MigrationChanged):
        await migrate.migrate(database, [*others, changed, new])
    assert not await exists(database, "new_table")


async def test_two_migrators_at_once_run_each_migration_once(empty: DatabaseSettings) -> None:
    async with connect(empty) as one, connect(empty) as other:
        first, second = await asyncio.gather(
            migrate.migrate(one, migrate.read_migrations()), migrate.migrate(other, migrate.read_migrations())
        )
    assert sorted(first + second) == NAMES


async def test_a_failing_migration_is_rolled_back(database: Database) -> None:
    failing = Migration("9001_failing", "CREATE TABLE half (x int); SELECT 1 / 0")
    with pytest.raises(psycopg2.errors.DivisionByZero):
        await migrate.migrate(database, [failing])
    assert not await exists(database, "half")
    assert await ran(database) == NAMES


async def test_a_failing_migration_runs_again_when_it_is_fixed(database: Database) -> None:
    with pytest.raises(psycopg2.errors.DivisionByZero):
        await migrate.migrate(database, [Migration("9001_failing", "SELECT 1 / 0")])
    assert await migrate.migrate(database, [Migration("9001_failing", "SELECT 1")]) == ["9001_failing"]


async def test_migrations_before_a_failing_one_stay(database: Database) -> None:
    good = Migration("9001_good", "CREATE TABLE good (x int)")
    with pytest.raises(psycopg2.errors.DivisionByZero):
        await migrate.migrate(database, [good, Migration("9002_failing", "SELECT 1 / 0")])
    assert await ran(database) == [*NAMES, "9001_good"]


@pytest.fixture
def odd_role(stores: Stores) -> Iterator[str]:
    stores.execute(f"CREATE ROLE {quoted(ODD)} NOLOGIN")
    yield ODD
    stores.execute(f"DROP ROLE {quoted(ODD)}")


async def test_any_password_can_be_set(stores: Stores, database: Database, odd_role: str) -> None:
    await migrate.set_passwords(database, {odd_role: 'it\'s 100% "odd" \\ %s'})
    assert stores.execute(f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{odd_role}'") == [(True,)]


async def test_an_empty_password_does_not_change_its_role(stores: Stores, database: Database, odd_role: str) -> None:
    await migrate.set_passwords(database, {odd_role: ""})
    assert stores.execute(f"SELECT rolcanlogin FROM pg_roles WHERE rolname = '{odd_role}'") == [(False,)]


async def test_migrators_that_run_at_once_may_set_the_same_password(database: Database, odd_role: str) -> None:
    results = await asyncio.gather(
        *(migrate.set_passwords(database, {odd_role: "secret"}) for _ in range(20)), return_exceptions=True
    )
    assert results == [None] * 20


async def command(url: str) -> tuple[int | None, str]:
    """Run `python -m shared.postgres.migrate`; its exit code and its output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "shared.postgres.migrate"),
        cwd=CHECKOUT,
        env={"DATABASE_URL": url, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, (out + err).decode()


async def test_the_command_prints_which_migrations_ran(empty: DatabaseSettings) -> None:
    code, output = await command(empty.url)
    assert code == 0
    assert f"migrate: ran {', '.join(NAMES)}" in output


async def test_the_command_reports_an_unavailable_postgres(empty: DatabaseSettings) -> None:
    with refusing_port() as port:
        code, output = await command(at_port(empty, port).url)
    assert code == 1
    assert "migrate: The database is unavailable." in output
    assert "Traceback" not in output
