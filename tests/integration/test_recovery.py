"""After a restart with older data, Redis gets the changes that it has lost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.writer.links import changes
from services.writer.redis_sync.recovery import recover
from services.writer.redis_sync.relay import relay_once
from shared.domain.codes import in_default_domain
from shared.domain.errors import StoreUnavailable
from shared.postgres.pool import Database
from shared.postgres.tables import outbox
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from shared.redis.route_records import RouteRecords
from tests.integration.stores import Stores
from tests.support.builders import make_link
from tests.support.network import at_port, refusing_port

ANOTHER_RUN = b"0" * 40


async def relay(database: Database, redis: RedisClient) -> None:
    while await relay_once(database, RouteRecords(redis), link_lifetime=600):
        pass


async def waiting(database: Database) -> int:
    count, _ = await outbox.backlog(database)
    return count


async def content_of(redis: RedisClient) -> dict[bytes, bytes]:
    """All keys and values of Redis, as its append-only file would have them."""
    keys: Any = await redis.keys()
    values: Any = await redis.mget(keys)
    return dict(zip(keys, values, strict=True))


async def restart_redis(redis: RedisClient, on_disk: dict[bytes, bytes]) -> None:
    """Simulate a restart of Redis with the content of its disk: the mark is then of another run."""
    await redis.flushall()
    mark = redis_keys.RELAY_MARK.encode()
    await redis.mset({**on_disk, mark: ANOTHER_RUN + b" " + on_disk[mark].split()[1]})


async def test_changes_that_redis_lost_are_published_again(
    writer_database: Database, redis: RedisClient, owner_id: int
) -> None:
    for code in ("deleted", "purged", "disabled"):
        await make_link(writer_database, owner_id=owner_id, code=code)
    await relay(writer_database, redis)
    assert await recover(writer_database, redis) == 0
    on_disk = await content_of(redis)

    await changes.delete(writer_database, in_default_domain("deleted"), based_on=None)
    await changes.purge(writer_database, in_default_domain("purged"), based_on=None)
    await make_link(writer_database, owner_id=owner_id, code="new")
    await relay(writer_database, redis)
    expected = await content_of(redis)

    await restart_redis(redis, on_disk)
    assert await recover(writer_database, redis) == 4
    await relay(writer_database, redis)
    mark = redis_keys.RELAY_MARK.encode()
    assert {**await content_of(redis), mark: b""} == {**expected, mark: b""}


async def test_lost_changes_are_published_again_once(
    writer_database: Database, redis: RedisClient, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    await recover(writer_database, redis)
    await restart_redis(redis, await content_of(redis))
    assert await recover(writer_database, redis) == 1
    assert await recover(writer_database, redis) == 0


async def test_changes_lost_in_two_power_failures_are_all_published_again(
    database: Database, writer_database: Database, redis: RedisClient, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    await relay(writer_database, redis)
    await database.execute("UPDATE links SET updated_at = updated_at - interval '10 minutes'")
    await redis.set(
        redis_keys.RELAY_MARK, f"{ANOTHER_RUN.decode()} {(datetime.now(UTC) - timedelta(minutes=10)).isoformat()}"
    )
    assert await recover(writer_database, redis) == 1
    on_disk = await content_of(redis)
    await relay(writer_database, redis)
    await restart_redis(redis, on_disk)
    assert await recover(writer_database, redis) == 1


async def test_changes_older_than_the_mark_are_not_published_again(
    database: Database, writer_database: Database, redis: RedisClient, owner_id: int
) -> None:
    for code in ("old", "new"):
        await make_link(writer_database, owner_id=owner_id, code=code)
    await relay(writer_database, redis)
    await database.execute("UPDATE links SET updated_at = updated_at - interval '2 minutes' WHERE code = 'old'")
    await recover(writer_database, redis)
    await restart_redis(redis, await content_of(redis))
    assert await recover(writer_database, redis) == 1


async def test_the_mark_is_not_newer_than_the_oldest_unpublished_change(
    database: Database, writer_database: Database, redis: RedisClient, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    await database.execute("UPDATE outbox SET created_at = '2026-01-02 03:04:05+00'")
    await recover(writer_database, redis)
    mark = (await content_of(redis))[redis_keys.RELAY_MARK.encode()]
    assert datetime.fromisoformat(mark.decode().split()[1]) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_to_an_empty_redis_nothing_is_published_again(
    writer_database: Database, redis: RedisClient, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    await relay(writer_database, redis)
    await redis.flushall()
    assert await recover(writer_database, redis) == 0
    assert await waiting(writer_database) == 0


async def test_while_redis_is_unavailable_nothing_is_published_again(
    writer_database: Database, owner_id: int, stores: Stores
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as unavailable:
            with pytest.raises(StoreUnavailable):
                await recover(writer_database, unavailable)
    assert await waiting(writer_database) == 1
