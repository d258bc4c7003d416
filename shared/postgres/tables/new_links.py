"""Insert links: many in one statement, each with its row in `link_totals`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from shared.domain.codes import LinkName
from shared.domain.models import OPTION_NAMES, Link, LinkOptions
from shared.postgres.connection import Connection, Row
from shared.postgres.tables.links import STATUS, option_values

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
    """A link to be inserted: its name, the id of the API key that owns it, its options."""

    name: LinkName
    owner_id: int
    options: LinkOptions


_OPTION_COLUMNS: Final = ", ".join(f"{name} {kind}" for name, kind in _OPTION_TYPES.items())

_INSERT: Final = f"""
    WITH requested AS (
        SELECT * FROM json_to_recordset(%(rows)s::json) AS r
        (place int, domain text, code text, owner_id bigint, {_OPTION_COLUMNS})
    ), l AS (
        INSERT INTO links (domain, code, owner_id, version, {", ".join(OPTION_NAMES)})
        SELECT r.domain, r.code, r.owner_id, 1 + coalesce(purged.version, 0),
               {", ".join(f"r.{name}" for name in OPTION_NAMES)}
        FROM requested r LEFT JOIN purged_codes purged ON purged.domain = r.domain AND purged.code = r.code
        ORDER BY r.place
        ON CONFLICT DO NOTHING
        RETURNING *
    ), t AS (
        INSERT INTO link_totals (link_id) SELECT id FROM l
    ), p AS (
        SELECT 0 AS used
    )
    SELECT l.id, l.domain, l.code, l.created_at, l.version, {STATUS} AS status FROM l CROSS JOIN p
"""


async def insert(conn: Connection, rows: Sequence[NewRow]) -> dict[LinkName, Link]:
    """Insert links in one statement; the created links by name. The names must differ.

    A row whose name or external id belongs to another link is left out. Of two rows with the same external id the
    later one is left out.
    """
    documents = [
        {"place": place, **row.name._asdict(), "owner_id": row.owner_id, **option_values(row.options)}
        for place, row in enumerate(rows)
    ]
    # One JSON document for all rows: the driver formats each value of an array in a separate call.
    rows_json = json.dumps(documents, ensure_ascii=False, default=datetime.isoformat)
    created = {_name(row): row for row in await conn.fetch_all(_INSERT, {"rows": rows_json})}
    return {row.name: _link(row, created[row.name]) for row in rows if row.name in created}


def _name(row: Row) -> LinkName:
    return LinkName(row["domain"], row["code"])


def _link(requested: NewRow, row: Row) -> Link:
    return Link(
        id=row["id"],
        domain=row["domain"],
        code=row["code"],
        options=requested.options,
        status=row["status"],
        clicks=0,
        created_at=row["created_at"],
        updated_at=row["created_at"],
        version=row["version"],
    )


async def outlive_purges(conn: Connection, created: Mapping[LinkName, Link]) -> dict[LinkName, Link]:
    """Raise the version of new links above that of a purge of the same code that was committed during the insert."""
    rows = await conn.fetch_all(
        """
        UPDATE links SET version = purged.version + 1 FROM purged_codes purged
        WHERE links.id = ANY(%s) AND purged.domain = links.domain AND purged.code = links.code
            AND purged.version >= links.version
        RETURNING links.domain, links.code, links.version
        """,
        [[link.id for link in created.values()]],
    )
    newer = {_name(row): replace(created[_name(row)], version=row["version"]) for row in rows}
    return {**created, **newer}


async def taken(
    conn: Connection, *, names: Sequence[LinkName], external_ids: Sequence[str]
) -> tuple[set[LinkName], set[str]]:
    """The names and the external ids, of those given, that belong to a link."""
    rows = await conn.fetch_all(
        """
        SELECT domain, code, NULL AS external_id FROM links
        WHERE (domain, code) IN (SELECT * FROM unnest(%(domains)s::text[], %(codes)s::text[]))
        UNION ALL
        SELECT NULL, NULL, external_id FROM links WHERE external_id = ANY(%(external_ids)s::text[])
        """,
        {
            "domains": [name.domain for name in names],
            "codes": [name.code for name in names],
            "external_ids": list(external_ids),
        },
    )
    return {_name(row) for row in rows if row["code"]}, {row["external_id"] for row in rows if row["external_id"]}
