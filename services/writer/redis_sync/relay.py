"""From the outbox to Redis: again and again until it worked. Redis itself leaves out what is older than what it has."""

from collections.abc import Sequence
from typing import Final

from shared.domain.models import Link, Route
from shared.postgres.pool import Database
from shared.postgres.tables import links, outbox
from shared.redis.route_records import RouteRecords, route_of

BATCH: Final = 500


async def relay_once(database: Database, records: RouteRecords, *, link_lifetime: int) -> int:
    """Publish one batch of changes; how many there were.

    The messages are gone only when Redis has confirmed, for it happens inside their transaction: at least once.
    """
    async with database.transaction() as conn:
        messages = await outbox.take(conn, BATCH)
        if not messages:
            return 0
        codes = list(dict.fromkeys((message.domain, message.code) for message in messages))
        found = await links.get_many(conn, codes)
        await publish(records, found, link_lifetime)
        await _publish_purged(records, messages, found, link_lifetime)
    return len(messages)


async def publish(records: RouteRecords, changed: Sequence[Link], link_lifetime: int) -> None:
    """Write where some links lead. Raises StoreUnavailable when Redis did not confirm."""
    if changed:
        await records.put([(link.domain, link.code, route_of(link), link_lifetime) for link in changed])


async def _publish_purged(
    records: RouteRecords, messages: Sequence[outbox.Message], found: Sequence[Link], link_lifetime: int
) -> None:
    """A removal is a version too: a code whose link is gone leads nowhere from the version of its message on."""
    known = {(link.domain, link.code) for link in found}
    purged = {(message.domain, message.code): message.version for message in messages}
    gone = [
        (domain, code, Route(version=version), link_lifetime)
        for (domain, code), version in purged.items()
        if (domain, code) not in known
    ]
    if gone:
        await records.put(gone)
