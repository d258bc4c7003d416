"""Pages of the table `links`: filters, sort orders and keyset cursors."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.postgres.tables.links import COLUMNS, JOINS, STATUS, link_of

_IMPLIED: Final[Mapping[str, str]] = {
    "deleted": "l.deleted_at IS NOT NULL",
    "disabled": "NOT l.enabled",
    "expired": "l.valid_until <= now()",
    "scheduled": "l.valid_since > now()",
    "exhausted": "l.max_clicks IS NOT NULL",
}
"""A necessary condition for each status, in the form of its partial index (0007_statuses.sql)."""

_ACTIVE: Final = """
    l.enabled AND (l.valid_until <= now()) IS NOT TRUE AND (l.valid_since > now()) IS NOT TRUE
    AND (p.used >= l.max_clicks) IS NOT TRUE
"""
"""The status `active` of an undeleted link. Postgres estimates a CASE to be rare, and would read all links."""

_SORTS: Final[Mapping[str, tuple[str, str]]] = {
    "created_at": ("l.created_at", "timestamptz"),
    "updated_at": ("l.updated_at", "timestamptz"),
    "clicks": ("t.clicks", "bigint"),
    "code": ("l.code", "text"),
}


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
    """At most `limit` links that match the filters, sorted by one column, starting after the (value, id) of `after`.

    Deleted links are left out unless `status` is `deleted`. Keyset paging: new and removed links do not shift a page.
    """
    column, kind = _SORTS[sort]
    filters = {
        "domain": domain,
        "q": f"%{_like_escaped(q)}%" if q else None,
        "tags": list(tags),
        "any_tags": list(any_tags),
        "status": status,
        "created_after": created_after,
        "created_before": created_before,
    }
    conditions = _conditions(filters)
    direction = "DESC" if descending else "ASC"
    row_id = "t.link_id" if sort == "clicks" else "l.id"  # the id that is in the same index as the column
    if after:
        conditions.append(f"({column}, {row_id}) {'<' if descending else '>'} (%(after_value)s::{kind}, %(after_id)s)")
    after_value, after_id = after or (None, None)
    rows = await database.fetch_all(
        f"""
        SELECT {COLUMNS} FROM links l {JOINS}
        WHERE {" AND ".join(conditions)}
        ORDER BY {column} {direction}, {row_id} {direction} LIMIT %(limit)s
        """,
        {**filters, "after_value": after_value, "after_id": after_id, "limit": limit},
    )
    return [link_of(row) for row in rows]


def _conditions(filters: Mapping[str, Any]) -> list[str]:
    """The SQL conditions of the filters that have a value."""
    status = filters["status"]
    conditions = [
        "l.domain = %(domain)s",
        "l.deleted_at IS NOT NULL" if status == "deleted" else "l.deleted_at IS NULL",
    ]
    if filters["q"]:
        pattern = "l.code ILIKE %(q)s OR l.url ILIKE %(q)s OR l.title ILIKE %(q)s"
        conditions.append(f"({pattern} OR EXISTS (SELECT FROM unnest(l.tags) tag WHERE tag ILIKE %(q)s))")
    if filters["tags"]:
        conditions.append("l.tags @> %(tags)s::text[]")
    if filters["any_tags"]:
        conditions.append("l.tags && %(any_tags)s::text[]")
    if status:
        conditions.append(_ACTIVE if status == "active" else f"{_IMPLIED[status]} AND {STATUS} = %(status)s")
    if filters["created_after"]:
        conditions.append("l.created_at > %(created_after)s")
    if filters["created_before"]:
        conditions.append("l.created_at < %(created_before)s")
    return conditions


def _like_escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
