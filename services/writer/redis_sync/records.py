"""Write the records of links to Redis, for the publisher and for the relay."""

from collections.abc import Sequence

from shared.domain.models import Link
from shared.redis.route_records import RouteRecords, RouteUpdate, route_of


async def publish(records: RouteRecords, changed: Sequence[Link], link_lifetime: int) -> None:
    """Write the records of some links. Raises StoreUnavailable when Redis did not confirm."""
    if changed:
        await records.put([RouteUpdate(link.name, route_of(link), link_lifetime) for link in changed])
