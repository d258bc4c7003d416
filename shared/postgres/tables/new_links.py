"""How links come into the table `links`, many in one statement, each with its total."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from shared.domain.models import Link, LinkOptions
from shared.postgres.connection import Connection, Row
from shared.postgres.tables.links import OPTION_NAMES, STATUS, option_values

_OPTION_TYPES: Final[Mapping[str, str]] = {
    "url": "text",
    "title": "text",
    "notes": "text",
    "tags": "text[]",
    "redirect_status": "smallint",
    "valid_since": "timestamptz",
    "valid_until": "timestamptz",
    "max_clicks": "bigint",
    "expired_url": "text",
    "forward_query": "boolean",
    "enabled": "boolean",
    "external_id": "text",
}


@dataclass(frozen=True, slots=True)
class NewRow:
    """A link to be added: its code, whose it is, its options."""

    code: str
    owner_id: int
    options: LinkOptions


_INSERT: Final = f"""
    WITH wanted AS (
        SELECT * FROM json_to_recordset(%(rows)s::json) AS w
        (place int, code text, owner_id bigint, {", ".join(f"{name} {kind}" for name, kind in _OPTION_TYPES.items())})
    ), l AS (
        INSERT INTO links (domain, code, owner_id, version, {", ".join(OPTION_NAMES)})
        SELECT %(domain)s, w.code, w.owner_id, 1 + coalesce(purged.version, 0),
               {", ".join(f"w.{name}" for name in OPTION_NAMES)}
        FROM wanted w LEFT JOIN purged_codes purged ON purged.domain = %(domain)s AND purged.code = w.code
        ORDER BY w.place
        ON CONFLICT DO NOTHING
        RETURNING *
    ), t AS (
        INSERT INTO link_totals (link_id) SELECT id FROM l
    ), p AS (
        SELECT 0 AS used
    )
    SELECT l.id, l.code, l.created_at, l.version, {STATUS} AS status FROM l CROSS JOIN p
"""


async def insert(conn: Connection, *, domain: str, rows: Sequence[NewRow]) -> dict[str, Link]:
    """Add links, each with its total, in one statement; those that were made, by their codes, which must differ.

    A row whose code or external id another link has is left out. Of two rows with the same external id the later is.
    """
    documents = [
        {"place": place, "code": row.code, "owner_id": row.owner_id, **option_values(row.options)}
        for place, row in enumerate(rows)
    ]
    # One document for all rows: the driver would write each value of an array by a call of its own, ten times as slow.
    sent = json.dumps(documents, ensure_ascii=False, default=datetime.isoformat)
    made = {row["code"]: row for row in await conn.fetch_all(_INSERT, {"domain": domain, "rows": sent})}
    return {row.code: _made(domain, row, made[row.code]) for row in rows if row.code in made}


def _made(domain: str, wanted: NewRow, row: Row) -> Link:
    return Link(
        id=row["id"],
        domain=domain,
        code=wanted.code,
        options=wanted.options,
        status=row["status"],
        clicks=0,
        created_at=row["created_at"],
        updated_at=row["created_at"],
        version=row["version"],
    )


async def outlive_purges(conn: Connection, made: Mapping[str, Link]) -> dict[str, Link]:
    """Give new links a version above that of a purge of their code that was under way when they were made."""
    rows = await conn.fetch_all(
        """
        UPDATE links SET version = purged.version + 1 FROM purged_codes purged
        WHERE links.id = ANY(%s) AND purged.domain = links.domain AND purged.code = links.code
            AND purged.version >= links.version
        RETURNING links.code, links.version
        """,
        [[link.id for link in made.values()]],
    )
    return {**made, **{row["code"]: replace(made[row["code"]], version=row["version"]) for row in rows}}


async def taken(
    conn: Connection, *, domain: str, codes: Sequence[str], external_ids: Sequence[str]
) -> tuple[set[str], set[str]]:
    """Which of some codes, and of some external ids, belong to a link."""
    rows = await conn.fetch_all(
        """
        SELECT code, NULL AS external_id FROM links WHERE domain = %(domain)s AND code = ANY(%(codes)s::text[])
        UNION ALL
        SELECT NULL, external_id FROM links WHERE external_id = ANY(%(external_ids)s::text[])
        """,
        {"domain": domain, "codes": list(codes), "external_ids": list(external_ids)},
    )
    return {row["code"] for row in rows if row["code"]}, {row["external_id"] for row in rows if row["external_id"]}
