import asyncio

import psycopg2.errors
import pytest

from shared.postgres.pool import Database, connect
from tests.integration.stores import Stores
from tests.support.builders import make_link, make_owner

ROLES = ("boltlink_writer", "boltlink_resolver", "boltlink_stats")


async def services_with(database: Database, privilege: str, table: str) -> set[str]:
    """The services that have a privilege on a table or on any of its columns."""
    rows = await database.fetch_all(
        """
        SELECT role FROM unnest(%(roles)s::text[]) AS role
        WHERE has_table_privilege(role, %(table)s, %(privilege)s)
            OR %(privilege)s IN ('INSERT', 'UPDATE') AND has_any_column_privilege(role, %(table)s, %(privilege)s)
        """,
        {"roles": list(ROLES), "table": table, "privilege": privilege},
    )
    return {row["role"].removeprefix("boltlink_") for row in rows}


async def writers_of(database: Database, table: str) -> set[str]:
    writers = await asyncio.gather(*(services_with(database, right, table) for right in ("INSERT", "UPDATE", "DELETE")))
    return set().union(*writers)


@pytest.mark.parametrize(
    ("table", "writers"),
    [
        ("links", {"writer"}),
        ("outbox", {"writer"}),
        ("purged_codes", {"writer"}),
        ("idempotent_answers", {"writer"}),
        ("clicks", {"stats"}),
        ("click_counts", {"stats"}),
        ("link_totals", {"writer", "stats"}),
        ("link_permits", {"writer", "resolver"}),
        ("api_keys", {"writer", "stats"}),
        ("migrations", set()),
    ],
)
async def test_only_its_owners_write_a_table(database: Database, table: str, writers: set[str]) -> None:
    assert await writers_of(database, table) == writers


async def test_no_service_may_empty_or_extend_a_table(database: Database) -> None:
    rows = await database.fetch_all(
        """
        SELECT role, c.oid::regclass::text AS table, privilege
        FROM pg_class c, unnest(%s::text[]) AS role, unnest(ARRAY['TRUNCATE', 'TRIGGER', 'REFERENCES']) AS privilege
        WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
            AND has_table_privilege(role, c.oid, privilege)
        """,
        [list(ROLES)],
    )
    assert rows == []


async def test_no_service_may_create_tables(database: Database) -> None:
    rows = await database.fetch_all(
        "SELECT role FROM unnest(%s::text[]) AS role WHERE has_schema_privilege(role, 'public', 'CREATE')",
        [list(ROLES)],
    )
    assert rows == []


async def test_no_service_has_the_rights_of_another_or_of_the_owner(database: Database) -> None:
    rows = await database.fetch_all(
        """
        SELECT role, other
        FROM unnest(%(roles)s::text[]) AS role, unnest(%(roles)s::text[] || 'boltlink'::text) AS other
        WHERE role <> other AND pg_has_role(role, other, 'MEMBER')
        """,
        {"roles": list(ROLES)},
    )
    assert rows == []


async def test_no_service_is_a_superuser(database: Database) -> None:
    rows = await database.fetch_all(
        """
        SELECT rolname FROM pg_roles
        WHERE rolname = ANY(%s) AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication)
        """,
        [list(ROLES)],
    )
    assert rows == []


async def test_stats_may_change_nothing_of_a_key_but_its_last_use(database: Database) -> None:
    rows = await database.fetch_all(
        """
        SELECT attname FROM pg_attribute WHERE attrelid = 'api_keys'::regclass AND attnum > 0 AND NOT attisdropped
            AND has_column_privilege('boltlink_stats', attrelid, attnum, 'UPDATE')
        """
    )
    assert [row["attname"] for row in rows] == ["last_used_at"]


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("writer", "SELECT * FROM clicks"),
        ("writer", "DELETE FROM clicks"),
        ("writer", "UPDATE click_counts SET clicks = 0"),
        ("writer", "SELECT make_clicks_partition('2026-01-01')"),
        ("resolver", "UPDATE links SET url = 'https://evil.example/'"),
        ("resolver", "DELETE FROM links"),
        ("resolver", "SELECT * FROM api_keys"),
        ("resolver", "SELECT * FROM clicks"),
        ("resolver", "UPDATE link_totals SET clicks = 0"),
        ("resolver", "SELECT purge_clicks(1)"),
        ("stats", "UPDATE links SET url = 'https://evil.example/'"),
        ("stats", "DELETE FROM links"),
        ("stats", "UPDATE api_keys SET scopes = '{admin}'"),
        ("stats", "SELECT purge_clicks(1)"),
        ("stats", "CREATE TABLE mine (x int)"),
    ],
)
async def test_writing_a_table_of_another_service_is_refused(
    stores: Stores, database_name: str, role: str, statement: str
) -> None:
    async with connect(stores.database_settings(database_name, f"boltlink_{role}")) as found:
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            await found.execute(statement)


async def test_the_writer_may_remove_the_clicks_of_a_link_it_purges(
    database: Database, writer_database: Database
) -> None:
    link = await make_link(writer_database, owner_id=await make_owner(writer_database))
    await database.execute("INSERT INTO click_counts VALUES (%s, now(), false, 1)", [link.id])
    await writer_database.execute("SELECT purge_clicks(%s)", [link.id])
    assert await database.fetch_all("SELECT * FROM click_counts") == []
