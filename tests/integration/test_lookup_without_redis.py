"""While Redis is unavailable or does not reply, links are read from Postgres, and kept for a second."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from services.resolver.lookup.lookup import Found
from services.resolver.lookup.postgres_lookup import UNKNOWN
from services.writer.links import changes
from shared.domain.codes import in_default_domain
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.redis.client import RedisClient, redis_client
from shared.redis.route_records import route_of
from tests.integration.lookups import lookup_of, publish
from tests.integration.stores import Stores
from tests.support.network import TcpProxy, at_port, running_proxy
from tests.support.waiting import until


async def test_while_redis_is_unavailable_links_are_read_from_postgres(
    unavailable_redis: RedisClient, resolver_database: Database, link: Link
) -> None:
    lookup = lookup_of(unavailable_redis, resolver_database)
    assert await lookup.find(in_default_domain("abc")) == Found(route_of(link), "fallback")
    assert await lookup.find(in_default_domain("unknown")) == Found(UNKNOWN, "fallback")


async def test_while_redis_does_not_reply_links_are_read_from_postgres(
    silent_redis: RedisClient, resolver_database: Database, link: Link
) -> None:
    assert await lookup_of(silent_redis, resolver_database).find(in_default_domain("abc")) == Found(
        route_of(link), "fallback"
    )


async def test_a_burst_while_redis_is_unavailable_finds_every_route(
    unavailable_redis: RedisClient, resolver_database: Database, link: Link
) -> None:
    lookup = lookup_of(unavailable_redis, resolver_database)
    found = await asyncio.gather(*(lookup.find(in_default_domain("abc")) for _ in range(50)))
    assert set(found) == {Found(route_of(link), "fallback")}


async def test_redis_is_used_again_when_it_is_available_again(
    stores: Stores, redis: RedisClient, resolver_database: Database, writer_database: Database, link: Link
) -> None:
    await publish(writer_database, redis)
    async with running_proxy(stores.settings.redis_port) as proxy, redis_through(stores, proxy) as proxied:
        lookup = lookup_of(proxied, resolver_database)
        await proxy.shut()
        assert await lookup.find(in_default_domain("abc")) == Found(route_of(link), "fallback")
        await proxy.open()

        async def hits() -> bool:
            return (await lookup.find(in_default_domain("abc"))).source == "hit"

        await until(hits)


def redis_through(stores: Stores, proxy: TcpProxy) -> Any:
    return redis_client(at_port(stores.redis_settings(), proxy.port))


async def test_while_redis_is_unavailable_a_code_is_looked_up_in_postgres_once_a_second(
    unavailable_redis: RedisClient, resolver_database: Database, link: Link, count_reads: Callable[[], int]
) -> None:
    lookup = lookup_of(unavailable_redis, resolver_database)
    assert [await lookup.find(in_default_domain("abc")) for _ in range(20)] == [Found(route_of(link), "fallback")] * 20
    assert count_reads() == 1


async def test_the_fallback_cache_expires_within_a_second(
    unavailable_redis: RedisClient, resolver_database: Database, writer_database: Database, link: Link
) -> None:
    lookup = lookup_of(unavailable_redis, resolver_database)
    assert (await lookup.find(in_default_domain("abc"))).route == route_of(link)
    changed = await changes.change(
        writer_database, in_default_domain("abc"), {"url": "https://example.com/new"}, based_on=None
    )

    async def shows() -> bool:
        return (await lookup.find(in_default_domain("abc"))).route == route_of(changed)

    await until(shows)


async def test_without_both_stores_a_lookup_raises_store_unavailable(
    unavailable_redis: RedisClient, unavailable_database: Database
) -> None:
    with pytest.raises(StoreUnavailable):
        await lookup_of(unavailable_redis, unavailable_database).find(in_default_domain("abc"))


async def test_without_both_stores_a_burst_ends_for_every_lookup(
    unavailable_redis: RedisClient, unavailable_database: Database
) -> None:
    lookup = lookup_of(unavailable_redis, unavailable_database)
    async with asyncio.timeout(20):
        results = await asyncio.gather(
            *(lookup.find(in_default_domain(f"code-{n % 10}")) for n in range(50)), return_exceptions=True
        )
    assert [type(result) for result in results] == [StoreUnavailable] * 50
