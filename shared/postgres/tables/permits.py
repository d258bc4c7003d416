"""The table `link_permits`: how many of a link's `max_clicks` are used up."""

from typing import Final

from shared.domain.errors import ForeignKeyViolation
from shared.postgres.pool import Database

_USE_PERMIT: Final = """
    INSERT INTO link_permits AS p (link_id, used)
    SELECT id, 1 FROM links WHERE id = %(id)s
    ON CONFLICT (link_id) DO UPDATE SET used = p.used + 1
        WHERE p.used < coalesce((SELECT max_clicks FROM links WHERE id = %(id)s), p.used + 1)
    RETURNING used
"""


async def take_permit(database: Database, link_id: int) -> bool:
    """Use up one of a link's `max_clicks`; False when none is left. Exact also for simultaneous calls."""
    try:
        async with database.transaction() as conn:
            row = await conn.fetch_one(_USE_PERMIT, {"id": link_id})
    except ForeignKeyViolation:  # the link was purged at the same time
        return False
    return row is not None


async def permit_left(database: Database, link_id: int) -> bool:
    """Whether `take_permit` would succeed now, without using up a permit."""
    row = await database.fetch_one(
        """
        SELECT coalesce(p.used < l.max_clicks, true) AS left
        FROM links l LEFT JOIN link_permits p ON p.link_id = l.id WHERE l.id = %s
        """,
        [link_id],
    )
    return row is not None and row["left"]
