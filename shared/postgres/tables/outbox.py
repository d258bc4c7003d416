"""The table `outbox`: messages about changes of links that are not yet published to Redis."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from shared.domain.codes import LinkName
from shared.domain.models import Link
from shared.postgres.connection import Connection
from shared.postgres.pool import Database


@dataclass(frozen=True, slots=True)
class Message:
    """A change of the link with this name; `version` is the version of the link after the change."""

    id: int
    name: LinkName
    version: int


async def append(conn: Connection, links: Sequence[Link]) -> None:
    """Write a message for each changed link, in the transaction of the change."""
    await conn.execute(
        """
        INSERT INTO outbox (domain, code, version)
        SELECT * FROM unnest(%(domains)s::text[], %(codes)s::text[], %(versions)s::bigint[])
        """,
        {
            "domains": [link.domain for link in links],
            "codes": [link.code for link in links],
            "versions": [link.version for link in links],
        },
    )


async def append_changed_since(database: Database, since: datetime) -> int:
    """Write a message, dated by the change, for every link that was changed or purged since; their number."""
    return await database.execute(
        """
        INSERT INTO outbox (domain, code, version, created_at)
        SELECT domain, code, version, updated_at FROM links WHERE updated_at >= %(since)s
        UNION ALL
        SELECT domain, code, version, purged_at FROM purged_codes WHERE purged_at >= %(since)s
        """,
        {"since": since},
    )


async def published_until(database: Database) -> datetime:
    """The time of the oldest message, or now: every change that was committed before it has been published."""
    row = await database.fetch_one("SELECT coalesce(min(created_at), now()) AS until FROM outbox")
    assert row is not None
    return cast(datetime, row["until"])


async def dequeue(conn: Connection, limit: int) -> list[Message]:
    """Delete and return the oldest messages. They are back if the transaction does not commit.

    Messages that another relay has locked are skipped.
    """
    rows = await conn.fetch_all(
        """
        DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
        RETURNING id, domain, code, version
        """,
        [limit],
    )
    messages = [Message(row["id"], LinkName(row["domain"], row["code"]), row["version"]) for row in rows]
    return sorted(messages, key=lambda message: message.id)


async def backlog(database: Database) -> tuple[int, float]:
    """The number of messages, and the age of the oldest one in seconds."""
    row = await database.fetch_one(
        "SELECT count(*) AS waiting, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float AS age FROM outbox"
    )
    assert row is not None
    return row["waiting"], max(0.0, row["age"])
