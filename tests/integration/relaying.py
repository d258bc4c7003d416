"""Outbox messages, relayed to Redis."""

from services.writer.redis_sync.relay import relay_once
from shared.domain.codes import in_default_domain
from shared.domain.models import Link, Route
from shared.postgres.pool import Database
from shared.postgres.tables import outbox
from shared.redis.route_records import RouteRecords, decode
from tests.support.builders import make_link

LIFETIME = 600


async def relay(database: Database, records: RouteRecords) -> int:
    return await relay_once(database, records, link_lifetime=LIFETIME)


async def relay_all(database: Database, records: RouteRecords) -> int:
    """Relay until the outbox is empty; the number of messages."""
    total = 0
    while count := await relay(database, records):
        total += count
    return total


async def route_in_redis(records: RouteRecords, code: str) -> Route | None:
    (record,) = await records.get([in_default_domain(code)])
    return None if record is None else decode(record)


async def waiting(database: Database) -> int:
    count, _ = await outbox.backlog(database)
    return count


async def make_links(database: Database, owner_id: int, count: int) -> list[Link]:
    return [await make_link(database, owner_id=owner_id, code=f"code-{number}") for number in range(count)]
