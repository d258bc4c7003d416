"""A Redis that refuses writes although it is not full must not be read: its records may be old."""

from collections.abc import Callable

import pytest
from pytest_aiohttp import AiohttpClient

from services.resolver.app import create_api
from services.resolver.settings import ResolverSettings
from services.writer.links import changes
from services.writer.redis_sync.relay import relay_once
from shared.domain.errors import StoreUnavailable
from shared.postgres.pool import Database
from shared.redis.client import RedisClient
from shared.redis.route_records import RouteRecords
from tests.integration.fast_path import follow
from tests.support.builders import make_link, make_owner
from tests.support.served import served
from tests.support.waiting import until


async def test_a_change_shows_within_a_second_while_redis_refuses_writes(
    writer_database: Database, redis: RedisClient, aiohttp_client: AiohttpClient, environ: Callable[..., dict[str, str]]
) -> None:
    """The contract: a change that was answered with 2xx shows within 1 s, also when Redis was unavailable.

    A Redis that refuses writes (MISCONF: its disk is full; NOREPLICAS; READONLY) keeps records that nobody can correct,
    so resolvers ask Postgres.
    """
    owner_id = await make_owner(writer_database)
    link = await make_link(writer_database, owner_id=owner_id, code="abc")
    await relay_once(writer_database, RouteRecords(redis), link_lifetime=600)
    client = await served(aiohttp_client, create_api(ResolverSettings.from_env(environ("resolver"))))
    assert (await follow(client)).status == 302
    await redis.config_set("min-replicas-to-write", 1)
    try:
        await changes.delete(writer_database, link.name, based_on=None)
        with pytest.raises(StoreUnavailable):
            await relay_once(writer_database, RouteRecords(redis), link_lifetime=600)

        async def is_gone() -> bool:
            return (await follow(client)).status == 404

        await until(is_gone)
    finally:
        await redis.config_set("min-replicas-to-write", 0)
