"""The relay: publishes changes from the outbox to Redis, and repeats until Redis has confirmed them."""

from collections.abc import Sequence
from typing import Final

from services.writer.redis_sync.records import publish
from shared.domain.codes import LinkName
from shared.domain.models import Link, Route
from shared.postgres.pool import Database
from shared.postgres.tables import links, outbox
from shared.redis.route_records import RouteRecords, RouteUpdate

BATCH: Final = 500


async def relay_once(database: Database, records: RouteRecords, *, link_lifetime: int) -> int:
    """Publish one batch of changes; how many there were. Raises StoreUnavailable.

    The records are written inside of the transaction that deletes the messages, so the messages are deleted only after
    Redis has confirmed: each change is published at least once. Redis ignores a record that is older than its own.
    """
    async with database.transaction() as conn:
        messages = await outbox.dequeue(conn, BATCH)
        if not messages:
            return 0
        found = await links.get_many(conn, list(dict.fromkeys(message.name for message in messages)))
        await publish(records, found, link_lifetime)
        await _publish_purged(records, messages, found, link_lifetime)
    return len(messages)


async def _publish_purged(
    records: RouteRecords, messages: Sequence[outbox.Message], found: Sequence[Link], link_lifetime: int
) -> None:
    """Write records that are not live for purged codes, with the version of the purge."""
    existing = {link.name for link in found}
    purged: dict[LinkName, int] = {
        message.name: message.version for message in messages if message.name not in existing
    }
    if purged:
        await records.put(
            [RouteUpdate(name, Route(version=version), link_lifetime) for name, version in purged.items()]
        )
