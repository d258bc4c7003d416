import asyncio

import pytest

from services.writer.redis_sync import publisher as publisher_module
from services.writer.redis_sync.publisher import Publisher
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.redis.client import RedisClient, redis_client
from shared.redis.route_records import RouteRecords, decode, route_of
from tests.integration.stores import Stores
from tests.support.builders import make_link, make_owner
from tests.support.network import at_port, refusing_port

LIFETIME = 600


@pytest.fixture
async def made(writer_database: Database) -> list[Link]:
    owner_id = await make_owner(writer_database)
    return [await make_link(writer_database, owner_id=owner_id, title=str(number)) for number in range(5)]


async def published_count(redis: RedisClient, links: list[Link]) -> int:
    """The number of links whose record in Redis is up to date."""
    records = await RouteRecords(redis).get([link.name for link in links])
    return sum(
        record is not None and decode(record) == route_of(link) for record, link in zip(records, links, strict=True)
    )


async def test_a_change_is_in_redis_when_publish_returns(redis: RedisClient, made: list[Link]) -> None:
    await Publisher(RouteRecords(redis), LIFETIME).publish(made[:1])
    assert await published_count(redis, made) == 1


async def test_simultaneous_changes_are_all_published(redis: RedisClient, made: list[Link]) -> None:
    publisher = Publisher(RouteRecords(redis), LIFETIME)
    await asyncio.gather(*(publisher.publish([link]) for link in made))
    assert await published_count(redis, made) == 5


async def test_many_links_are_all_published_in_batches(
    redis: RedisClient, made: list[Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "_BATCH", 2)
    await Publisher(RouteRecords(redis), LIFETIME).publish(made)
    assert await published_count(redis, made) == 5


async def test_publishing_no_links_does_nothing(redis: RedisClient) -> None:
    await Publisher(RouteRecords(redis), LIFETIME).publish([])
    assert await redis.dbsize() == 0


@pytest.mark.parametrize("count", [1, 5])
async def test_while_redis_is_unavailable_a_change_is_left_to_the_relay(
    stores: Stores, made: list[Link], count: int
) -> None:
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as unavailable:
            await Publisher(RouteRecords(unavailable), LIFETIME).publish(made[:count])
