"""The table `links`, with the tables that belong to it: totals, permits, purged codes."""

from collections.abc import Sequence
from typing import Any, Final

from shared.domain.codes import LinkName
from shared.domain.models import OPTION_NAMES, Link, LinkOptions, NewLink
from shared.postgres.connection import Connection, Row
from shared.postgres.pool import Database

STATUS: Final = """
    CASE
        WHEN l.deleted_at IS NOT NULL THEN 'deleted'
        WHEN NOT l.enabled THEN 'disabled'
        WHEN l.valid_until <= now() THEN 'expired'
        WHEN l.valid_since > now() THEN 'scheduled'
        WHEN p.used >= l.max_clicks THEN 'exhausted'
        ELSE 'active'
    END
"""

COLUMNS: Final = f"""
    l.id, l.domain, l.code, l.created_at, l.updated_at, l.version, {", ".join(f"l.{name}" for name in OPTION_NAMES)},
    t.clicks, {STATUS} AS status
"""

JOINS: Final = "JOIN link_totals t ON t.link_id = l.id LEFT JOIN link_permits p ON p.link_id = l.id"


def link_of(row: Row) -> Link:
    """The link of a row with the columns `COLUMNS`."""
    options: dict[str, Any] = {name: row[name] for name in OPTION_NAMES}
    options["tags"] = tuple(options["tags"])
    return Link(
        id=row["id"],
        domain=row["domain"],
        code=row["code"],
        options=LinkOptions(**options),
        status=row["status"],
        clicks=row["clicks"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        version=row["version"],
    )


def option_values(options: LinkOptions) -> dict[str, Any]:
    """The options as column values."""
    values = {name: getattr(options, name) for name in OPTION_NAMES}
    values["tags"] = list(options.tags)
    return values


async def get(database: Database | Connection, name: LinkName) -> Link | None:
    """The link with a name, also a deleted one."""
    row = await database.fetch_one(
        f"SELECT {COLUMNS} FROM links l {JOINS} WHERE l.domain = %(domain)s AND l.code = %(code)s",
        name._asdict(),
    )
    return link_of(row) if row else None


async def lock(conn: Connection, name: LinkName) -> Link | None:
    """The link with a name, locked until the transaction ends so that no other transaction can change it."""
    row = await conn.fetch_one(
        f"""
        SELECT {COLUMNS} FROM links l {JOINS}
        WHERE l.domain = %(domain)s AND l.code = %(code)s
        FOR UPDATE OF l
        """,
        name._asdict(),
    )
    return link_of(row) if row else None


async def get_many(database: Database | Connection, names: Sequence[LinkName]) -> list[Link]:
    """The links with these names, deleted ones included, in any order; unknown names are left out."""
    rows = await database.fetch_all(
        f"""
        SELECT {COLUMNS} FROM links l {JOINS}
        WHERE (l.domain, l.code) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
        """,
        [[name.domain for name in names], [name.code for name in names]],
    )
    return [link_of(row) for row in rows]


async def next_batch(database: Database, after_id: int, limit: int) -> list[Link]:
    """At most `limit` links whose id is greater than `after_id`, deleted ones included, by id."""
    rows = await database.fetch_all(
        f"SELECT {COLUMNS} FROM links l {JOINS} WHERE l.id > %s ORDER BY l.id LIMIT %s", [after_id, limit]
    )
    return [link_of(row) for row in rows]


async def estimated_count(database: Database) -> int:
    """The number of links by Postgres's last estimate, which is fast for millions of links too."""
    row = await database.fetch_one("SELECT reltuples::bigint AS links FROM pg_class WHERE oid = 'links'::regclass")
    return max(0, row["links"]) if row else 0


async def update(conn: Connection, link_id: int, options: LinkOptions) -> Link:
    """Store all options of a link as a new version."""
    row = await conn.fetch_one(
        f"""
        WITH l AS (
            UPDATE links SET {", ".join(f"{name} = %({name})s" for name in OPTION_NAMES)},
                version = version + 1, updated_at = now()
            WHERE id = %(id)s
            RETURNING *
        )
        SELECT {COLUMNS} FROM l {JOINS}
        """,
        {"id": link_id, **option_values(options)},
    )
    assert row is not None
    return link_of(row)


async def set_deleted(conn: Connection, link_id: int, *, deleted: bool) -> Link:
    """Delete or restore a link, as a new version. A deleted link keeps its code."""
    row = await conn.fetch_one(
        f"""
        WITH l AS (
            UPDATE links SET deleted_at = CASE WHEN %(deleted)s THEN now() END,
                version = version + 1, updated_at = now()
            WHERE id = %(id)s
            RETURNING *
        )
        SELECT {COLUMNS} FROM l {JOINS}
        """,
        {"id": link_id, "deleted": deleted},
    )
    assert row is not None
    return link_of(row)


async def purge(conn: Connection, link: Link) -> int:
    """Remove a link and its clicks permanently; the version of the removal."""
    await conn.execute("DELETE FROM links WHERE id = %s", [link.id])  # waits for a consumer that counts its clicks
    await conn.execute("SELECT purge_clicks(%s)", [link.id])
    await conn.execute(
        """
        INSERT INTO purged_codes (domain, code, version) VALUES (%(domain)s, %(code)s, %(version)s)
        ON CONFLICT (domain, code) DO UPDATE SET version = excluded.version, purged_at = now()
        """,
        {"domain": link.domain, "code": link.code, "version": link.version + 1},
    )
    return link.version + 1


_SAME: Final = " AND ".join(f"l.{name} IS NOT DISTINCT FROM %({name})s" for name in OPTION_NAMES if name != "url")

FIND_EQUAL: Final = f"""
    SELECT {COLUMNS} FROM links l {JOINS}
    WHERE hashtextextended(l.url, 0) = hashtextextended(%(url)s, 0) AND l.owner_id = %(owner_id)s
        AND l.url = %(url)s AND {_SAME} AND l.domain = %(domain)s AND l.deleted_at IS NULL
        AND (%(code)s::text IS NULL OR l.code = %(code)s)
    ORDER BY -l.id DESC LIMIT 1
"""


async def find_equal(conn: Connection, requested: NewLink, *, owner_id: int) -> Link | None:
    """The owner's oldest undeleted link with the same options and, if a code is requested, this code; or None."""
    names = {"domain": requested.domain, "code": requested.code}
    row = await conn.fetch_one(FIND_EQUAL, {"owner_id": owner_id, **names, **option_values(requested.options)})
    return link_of(row) if row else None
