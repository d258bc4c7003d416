"""The table `links` and what hangs on it: totals, permits, purged codes."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from shared.database import Connection, Database, Row
from shared.errors import ReferenceGone
from shared.models import Link, LinkOptions

OPTION_NAMES: Final = tuple(field.name for field in fields(LinkOptions))

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

_IMPLIED: Final[Mapping[str, str]] = {
    "deleted": "l.deleted_at IS NOT NULL",
    "disabled": "NOT l.enabled",
    "expired": "l.valid_until <= now()",
    "scheduled": "l.valid_since > now()",
    "exhausted": "l.max_clicks IS NOT NULL",
}
"""What a status implies, in words that an index knows (0007_statuses.sql)."""

_ACTIVE: Final = """
    l.enabled AND (l.valid_until <= now()) IS NOT TRUE AND (l.valid_since > now()) IS NOT TRUE
    AND (p.used >= l.max_clicks) IS NOT TRUE
"""
"""The status `active` of a link that is not deleted. Postgres guesses a CASE to be rare, and reads all links."""

_COLUMNS: Final = f"""
    l.id, l.domain, l.code, l.created_at, l.updated_at, l.version, {", ".join(f"l.{name}" for name in OPTION_NAMES)},
    t.clicks, {STATUS} AS status
"""

_JOINS: Final = "JOIN link_totals t ON t.link_id = l.id LEFT JOIN link_permits p ON p.link_id = l.id"

_SORTS: Final[Mapping[str, tuple[str, str]]] = {
    "created_at": ("l.created_at", "timestamptz"),
    "updated_at": ("l.updated_at", "timestamptz"),
    "clicks": ("t.clicks", "bigint"),
    "code": ("l.code", "text"),
}
SORTS: Final = tuple(_SORTS)


def _link(row: Row) -> Link:
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
    """The options as their columns hold them."""
    values = {name: getattr(options, name) for name in OPTION_NAMES}
    values["tags"] = list(options.tags)
    return values


async def get(database: Database | Connection, *, domain: str, code: str) -> Link | None:
    """The link of a code, deleted ones included."""
    row = await database.fetch_one(
        f"SELECT {_COLUMNS} FROM links l {_JOINS} WHERE l.domain = %(domain)s AND l.code = %(code)s",
        {"domain": domain, "code": code},
    )
    return _link(row) if row else None


async def lock(conn: Connection, *, domain: str, code: str) -> Link | None:
    """The link of a code, held until the transaction ends so that nobody else changes it meanwhile."""
    row = await conn.fetch_one(
        f"""
        SELECT {_COLUMNS} FROM links l {_JOINS}
        WHERE l.domain = %(domain)s AND l.code = %(code)s
        FOR UPDATE OF l
        """,
        {"domain": domain, "code": code},
    )
    return _link(row) if row else None


async def get_many(database: Database | Connection, wanted: Sequence[tuple[str, str]]) -> list[Link]:
    """The links of some (domain, code), deleted ones included, in no order; unknown ones are left out."""
    rows = await database.fetch_all(
        f"""
        SELECT {_COLUMNS} FROM links l {_JOINS}
        WHERE (l.domain, l.code) IN (SELECT * FROM unnest(%s::text[], %s::text[]))
        """,
        [[domain for domain, _ in wanted], [code for _, code in wanted]],
    )
    return [_link(row) for row in rows]


async def next_ones(database: Database, after_id: int, limit: int) -> list[Link]:
    """The links above an id, deleted ones included, by id."""
    rows = await database.fetch_all(
        f"SELECT {_COLUMNS} FROM links l {_JOINS} WHERE l.id > %s ORDER BY l.id LIMIT %s", [after_id, limit]
    )
    return [_link(row) for row in rows]


async def about_how_many(database: Database) -> int:
    """How many links there are, as Postgres last estimated it: at once, also for millions."""
    row = await database.fetch_one("SELECT reltuples::bigint AS links FROM pg_class WHERE oid = 'links'::regclass")
    return max(0, row["links"]) if row else 0


async def update(conn: Connection, link_id: int, options: LinkOptions) -> Link:
    """Write all options of a link, as a new version."""
    row = await conn.fetch_one(
        f"""
        WITH l AS (
            UPDATE links SET {", ".join(f"{name} = %({name})s" for name in OPTION_NAMES)},
                version = version + 1, updated_at = now()
            WHERE id = %(id)s
            RETURNING *
        )
        SELECT {_COLUMNS} FROM l {_JOINS}
        """,
        {"id": link_id, **option_values(options)},
    )
    assert row is not None
    return _link(row)


async def set_deleted(conn: Connection, link_id: int, *, deleted: bool) -> Link:
    """Delete or restore a link, as a new version; its code stays its own."""
    row = await conn.fetch_one(
        f"""
        WITH l AS (
            UPDATE links SET deleted_at = CASE WHEN %(deleted)s THEN now() END,
                version = version + 1, updated_at = now()
            WHERE id = %(id)s
            RETURNING *
        )
        SELECT {_COLUMNS} FROM l {_JOINS}
        """,
        {"id": link_id, "deleted": deleted},
    )
    assert row is not None
    return _link(row)


async def purge(conn: Connection, link: Link) -> int:
    """Remove a link and its clicks for good; the version that its code has from now on."""
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
    SELECT {_COLUMNS} FROM links l {_JOINS}
    WHERE hashtextextended(l.url, 0) = hashtextextended(%(url)s, 0) AND l.owner_id = %(owner_id)s
        AND l.url = %(url)s AND {_SAME} AND l.domain = %(domain)s AND l.deleted_at IS NULL
        AND (%(code)s::text IS NULL OR l.code = %(code)s)
    ORDER BY -l.id DESC LIMIT 1
"""


async def find_equal(
    conn: Connection, *, domain: str, owner_id: int, options: LinkOptions, code: str | None
) -> Link | None:
    """The oldest link of this owner with exactly these options (and code), if there is one that is not deleted."""
    row = await conn.fetch_one(
        FIND_EQUAL, {"domain": domain, "owner_id": owner_id, "code": code, **option_values(options)}
    )
    return _link(row) if row else None


_TAKE_PERMIT: Final = """
    INSERT INTO link_permits AS p (link_id, used)
    SELECT id, 1 FROM links WHERE id = %(id)s
    ON CONFLICT (link_id) DO UPDATE SET used = p.used + 1
        WHERE p.used < coalesce((SELECT max_clicks FROM links WHERE id = %(id)s), p.used + 1)
    RETURNING used
"""


async def take_permit(database: Database, link_id: int) -> bool:
    """Use up one of a link's `max_clicks`; False when none is left. Exact, however many ask at once."""
    try:
        async with database.transaction() as conn:
            row = await conn.fetch_one(_TAKE_PERMIT, {"id": link_id})
    except ReferenceGone:  # the link was purged at this very moment
        return False
    return row is not None


async def permit_left(database: Database, link_id: int) -> bool:
    """Whether `take_permit` would succeed now, without using anything up."""
    row = await database.fetch_one(
        """
        SELECT coalesce(p.used < l.max_clicks, true) AS left
        FROM links l LEFT JOIN link_permits p ON p.link_id = l.id WHERE l.id = %s
        """,
        [link_id],
    )
    return row is not None and row["left"]


async def page(
    database: Database,
    *,
    domain: str,
    q: str | None = None,
    tags: Sequence[str] = (),
    any_tags: Sequence[str] = (),
    status: str | None = None,
    created_after: datetime | None = None,
    created_before: datetime | None = None,
    sort: str = "created_at",
    descending: bool = True,
    after: tuple[str, int] | None = None,
    limit: int,
) -> list[Link]:
    """Links of a filter in the order of one column, at most `limit`, from behind the (value, id) of `after`.

    Deleted links are left out unless `status` asks for them. Keyset: rows that come and go shift nothing.
    """
    column, kind = _SORTS[sort]
    conditions = [
        "l.domain = %(domain)s",
        "l.deleted_at IS NOT NULL" if status == "deleted" else "l.deleted_at IS NULL",
    ]
    if q:
        pattern = "l.code ILIKE %(q)s OR l.url ILIKE %(q)s OR l.title ILIKE %(q)s"
        conditions.append(f"({pattern} OR EXISTS (SELECT FROM unnest(l.tags) tag WHERE tag ILIKE %(q)s))")
    if tags:
        conditions.append("l.tags @> %(tags)s::text[]")
    if any_tags:
        conditions.append("l.tags && %(any_tags)s::text[]")
    if status:
        conditions.append(_ACTIVE if status == "active" else f"{_IMPLIED[status]} AND {STATUS} = %(status)s")
    if created_after:
        conditions.append("l.created_at > %(created_after)s")
    if created_before:
        conditions.append("l.created_at < %(created_before)s")
    direction = "DESC" if descending else "ASC"
    row_id = "t.link_id" if sort == "clicks" else "l.id"  # the one beside the column in its index
    if after:
        conditions.append(f"({column}, {row_id}) {'<' if descending else '>'} (%(after_value)s::{kind}, %(after_id)s)")
    rows = await database.fetch_all(
        f"""
        SELECT {_COLUMNS} FROM links l {_JOINS}
        WHERE {" AND ".join(conditions)}
        ORDER BY {column} {direction}, {row_id} {direction} LIMIT %(limit)s
        """,
        {
            "domain": domain,
            "q": f"%{_like_escaped(q)}%" if q else None,
            "tags": list(tags),
            "any_tags": list(any_tags),
            "status": status,
            "created_after": created_after,
            "created_before": created_before,
            "after_value": after[0] if after else None,
            "after_id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [_link(row) for row in rows]


def _like_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
