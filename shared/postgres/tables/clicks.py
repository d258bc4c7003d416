"""The tables of counted clicks: `clicks`, `click_counts`, `link_totals`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from shared.domain.models import Click
from shared.postgres.connection import Connection
from shared.postgres.pool import Database


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class BucketCount:
    """The number of clicks of a link in the quarter of an hour that begins at `bucket`."""

    link_id: int
    bucket: datetime
    bot: bool
    clicks: int


async def insert_new(conn: Connection, clicks: Sequence[Click]) -> list[Click]:
    """Add clicks; those that were added. Left out: clicks that were counted before, and clicks of purged links.

    Locks the totals of the links until the transaction ends, so that a purge waits and then removes these clicks too.
    """
    locked = await conn.fetch_all(
        "SELECT link_id FROM link_totals WHERE link_id = ANY(%s) ORDER BY link_id FOR UPDATE",
        [sorted({click.link_id for click in clicks})],
    )
    alive = {row["link_id"] for row in locked}
    clicks = [click for click in clicks if click.link_id in alive]
    rows = await conn.fetch_all(
        """
        INSERT INTO clicks (id, clicked_at, link_id, visitor, bot, referrer, browser, os, device)
        SELECT c.* FROM unnest(
            %s::text[], %s::timestamptz[], %s::bigint[], %s::text[], %s::boolean[],
            %s::text[], %s::text[], %s::text[], %s::text[]
        ) AS c (id, clicked_at, link_id, visitor, bot, referrer, browser, os, device)
        ON CONFLICT DO NOTHING
        RETURNING id, clicked_at
        """,
        [
            [click.id for click in clicks],
            [click.at for click in clicks],
            [click.link_id for click in clicks],
            [click.visitor for click in clicks],
            [click.bot for click in clicks],
            [click.referrer for click in clicks],
            [click.browser for click in clicks],
            [click.os for click in clicks],
            [click.device for click in clicks],
        ],
    )
    added = {(row["id"], row["clicked_at"]) for row in rows}
    unique = {(click.id, click.at): click for click in clicks}
    return [click for key, click in unique.items() if key in added]


async def add_counts(conn: Connection, counts: Iterable[BucketCount]) -> None:
    """Add to the counts of buckets and to the totals of links. `insert_new` must have locked the totals before."""
    ordered = sorted(counts)
    await conn.execute(
        """
        INSERT INTO click_counts AS c (link_id, bucket, bot, clicks)
        SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::boolean[], %s::bigint[])
        ON CONFLICT (link_id, bucket, bot) DO UPDATE SET clicks = c.clicks + excluded.clicks
        """,
        [
            [count.link_id for count in ordered],
            [count.bucket for count in ordered],
            [count.bot for count in ordered],
            [count.clicks for count in ordered],
        ],
    )
    people: dict[int, int] = {}
    bots: dict[int, int] = {}
    for count in ordered:
        side = bots if count.bot else people
        side[count.link_id] = side.get(count.link_id, 0) + count.clicks
    link_ids = sorted({count.link_id for count in ordered})
    await conn.execute(
        """
        UPDATE link_totals t SET clicks = t.clicks + added.clicks, bot_clicks = t.bot_clicks + added.bot_clicks
        FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS added (link_id, clicks, bot_clicks)
        WHERE t.link_id = added.link_id
        """,
        [link_ids, [people.get(link_id, 0) for link_id in link_ids], [bots.get(link_id, 0) for link_id in link_ids]],
    )


async def make_partition(database: Database, day: date) -> bool:
    """Create the partition for the month of a day; False when it exists already."""
    async with database.transaction() as conn:
        await conn.execute("SET LOCAL lock_timeout = '3s'")
        row = await conn.fetch_one("SELECT make_clicks_partition(%s) AS made", [day])
    return bool(row and row["made"])
