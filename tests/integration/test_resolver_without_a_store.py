"""A resolver redirects and records clicks while one of its stores is unavailable."""

import asyncio
from pathlib import Path

import pytest

from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.redis.client import RedisClient
from tests.integration.fast_path import clicks_in
from tests.integration.resolvers import Serve, follow, publish
from tests.integration.stores import Stores
from tests.support.environments import environment
from tests.support.network import at_port, refusing_port, running_proxy
from tests.support.waiting import until


@pytest.mark.usefixtures("link")
async def test_while_redis_is_unavailable_visitors_are_redirected_and_recorded_later(
    stores: Stores, database_name: str, serve: Serve, redis: RedisClient, tmp_path: Path
) -> None:
    async with running_proxy(stores.settings.redis_port) as proxy:
        env = environment(
            stores.database_settings(database_name, "boltlink_resolver"),
            at_port(stores.redis_settings(timeout=0.2), proxy.port),
            spool_folder=tmp_path,
        )
        client = await serve(env)
        await proxy.shut()
        responses = await asyncio.gather(*(follow(client, X_Request_ID=f"{number:032x}") for number in range(20)))
        assert {response.status for response in responses} == {302}
        assert await clicks_in(redis) == []
        await proxy.open()

        async def drained() -> bool:
            return {event.id for event in await clicks_in(redis)} == {f"{number:032x}" for number in range(20)}

        await until(drained)


async def test_while_postgres_is_unavailable_visitors_are_redirected(
    *,
    stores: Stores,
    serve: Serve,
    redis: RedisClient,
    writer_database: Database,
    link: Link,
    tmp_path: Path,
) -> None:
    await publish(writer_database, redis)
    with refusing_port() as port:
        env = environment(
            at_port(stores.database_settings("any_test"), port), stores.redis_settings(), spool_folder=tmp_path
        )
        client = await serve(env)
        assert (await follow(client)).headers["Location"] == link.options.url
        assert len(await clicks_in(redis)) == 1


async def test_an_unknown_route_without_postgres_is_503_and_never_404(
    stores: Stores, serve: Serve, tmp_path: Path
) -> None:
    with refusing_port() as port:
        env = environment(
            at_port(stores.database_settings("any_test"), port),
            at_port(stores.redis_settings(), port),
            spool_folder=tmp_path,
        )
        client = await serve(env)
        responses = [await follow(client) for _ in range(4)]
    assert [response.status for response in responses] == [503] * 4
    assert {response.headers["Retry-After"] for response in responses} == {"2"}
