"""A lookup finds the route of a code in Redis, or in Postgres and stores it in Redis."""

import asyncio
from typing import Any

import pytest

from services.resolver.lookup.lookup import Found, Lookup
from services.resolver.lookup.postgres_lookup import UNKNOWN
from services.writer.links import changes
from shared.domain.codes import in_default_domain
from shared.domain.models import Link
from shared.postgres.connection import Row
from shared.postgres.pool import Database
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import RouteRecords, RouteUpdate, decode, route_of
from tests.integration.lookups import (
    LINK_LIFETIME,
    MISS_LIFETIME,
    is_stored,
    lookup_of,
    mget_calls,
    publish,
    record_of,
    script_ran,
)
from tests.support.builders import make_link, make_owner
from tests.support.waiting import until


async def test_a_link_with_a_record_is_a_hit_without_postgres(
    redis: RedisClient, writer_database: Database, link: Link, unavailable_database: Database
) -> None:
    await publish(writer_database, redis)
    assert await lookup_of(redis, unavailable_database).find(in_default_domain("abc")) == Found(route_of(link), "hit")


async def test_a_link_without_a_record_is_a_miss(lookup: Lookup, link: Link) -> None:
    assert await lookup.find(in_default_domain("abc")) == Found(route_of(link), "miss")


async def test_a_miss_is_a_hit_the_next_time(lookup: Lookup, link: Link, redis: RedisClient) -> None:
    await lookup.find(in_default_domain("abc"))
    await until(lambda: is_stored(redis))
    assert await lookup.find(in_default_domain("abc")) == Found(route_of(link), "hit")


async def test_a_link_read_from_postgres_is_stored_in_redis_for_the_lifetime_of_links(
    lookup: Lookup, link: Link, redis: RedisClient
) -> None:
    await lookup.find(link.name)
    await until(lambda: is_stored(redis))
    assert MISS_LIFETIME < await redis.ttl(redis_keys.route(in_default_domain("abc"))) <= LINK_LIFETIME


async def test_an_unknown_code_has_the_unknown_route(lookup: Lookup) -> None:
    assert await lookup.find(in_default_domain("unknown")) == Found(UNKNOWN, "miss")


async def test_an_unknown_code_is_stored_in_redis_for_the_lifetime_of_misses(
    lookup: Lookup, redis: RedisClient
) -> None:
    await lookup.find(in_default_domain("unknown"))
    await until(lambda: is_stored(redis, "unknown"))
    assert await lookup.find(in_default_domain("unknown")) == Found(UNKNOWN, "hit")
    assert 0 < await redis.ttl(redis_keys.route(in_default_domain("unknown"))) <= MISS_LIFETIME


async def test_a_stored_miss_is_replaced_when_the_link_is_created_and_relayed(
    lookup: Lookup, writer_database: Database, redis: RedisClient
) -> None:
    await lookup.find(in_default_domain("abc"))
    await until(lambda: is_stored(redis))
    link = await make_link(writer_database, owner_id=await make_owner(writer_database), code="abc")
    await publish(writer_database, redis)
    assert await lookup.find(in_default_domain("abc")) == Found(route_of(link), "hit")


async def test_a_deleted_link_has_a_route_that_is_not_live(
    lookup: Lookup, writer_database: Database, link: Link
) -> None:
    await changes.delete(writer_database, in_default_domain(link.code), based_on=None)
    found = await lookup.find(in_default_domain("abc"))
    assert (found.route.live, found.route.version) == (False, 2)


async def test_a_burst_for_one_code_makes_one_round_trip_to_redis(
    lookup: Lookup, redis: RedisClient, writer_database: Database, link: Link
) -> None:
    await publish(writer_database, redis)
    await redis.config_resetstat()
    found = await asyncio.gather(*(lookup.find(in_default_domain("abc")) for _ in range(100)))
    assert set(found) == {Found(route_of(link), "hit")}
    assert await mget_calls(redis) == 1


@pytest.mark.usefixtures("link")
async def test_a_lookup_is_stored_in_redis_before_the_application_stops(lookup: Lookup, redis: RedisClient) -> None:
    await lookup.find(in_default_domain("abc"))
    await lookup.finish()
    assert await is_stored(redis)


async def test_a_burst_for_many_codes_finds_the_route_of_each(
    lookup: Lookup, redis: RedisClient, writer_database: Database
) -> None:
    owner_id = await make_owner(writer_database)
    made = [await make_link(writer_database, owner_id=owner_id, code=f"code-{number}") for number in range(20)]
    await publish(writer_database, redis)
    found = await asyncio.gather(*(lookup.find(link.name) for link in made))
    assert [one.route for one in found] == [route_of(link) for link in made]


async def test_a_slow_resolver_does_not_overwrite_a_newer_record(
    *,
    lookup: Lookup,
    redis: RedisClient,
    writer_database: Database,
    resolver_database: Database,
    link: Link,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = resolver_database.fetch_all
    has_read, may_continue = asyncio.Event(), asyncio.Event()

    async def slow(statement: str, values: Any = None) -> list[Row]:
        rows = await read(statement, values)
        has_read.set()
        await may_continue.wait()
        return rows

    monkeypatch.setattr(resolver_database, "fetch_all", slow)
    finding = asyncio.create_task(lookup.find(link.name))
    await has_read.wait()
    changed = await changes.change(
        writer_database, in_default_domain("abc"), {"url": "https://example.com/new"}, based_on=None
    )
    await publish(writer_database, redis)
    await redis.config_resetstat()
    may_continue.set()
    await finding
    await until(lambda: script_ran(redis))
    assert decode(await record_of(redis) or b"") == route_of(changed)


async def test_a_slow_resolver_does_not_bring_a_purged_link_back(
    redis: RedisClient, writer_database: Database, link: Link
) -> None:
    records = RouteRecords(redis)
    await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    await publish(writer_database, redis)
    await records.put([RouteUpdate(in_default_domain("abc"), route_of(link), LINK_LIFETIME)])
    assert not decode(await record_of(redis) or b"").live


BROKEN = [
    b"",
    b"junk",
    b"1",
    b"1 7",
    b"1 7 302",
    b"x 7 302 https://example.com/",
    b"\xff\xfe\xfd",
    b"1 7 {",
    b"1 7 {}",
    b'1 7 {"url":"https://example.com/","redirect_status":302,"of_a_later_release":true}',
    b'1 7 {"url":null,"redirect_status":302}',
]


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_malformed_record_is_a_miss(lookup: Lookup, redis: RedisClient, link: Link, broken: bytes) -> None:
    await redis.set(redis_keys.route(in_default_domain("abc")), broken)
    assert await lookup.find(in_default_domain("abc")) == Found(route_of(link), "miss")


@pytest.mark.parametrize("broken", [b"junk", b"1 7 {"])
async def test_a_malformed_record_is_replaced(lookup: Lookup, redis: RedisClient, link: Link, broken: bytes) -> None:
    await redis.set(redis_keys.route(in_default_domain("abc")), broken)

    async def is_replaced() -> bool:
        return await lookup.find(in_default_domain("abc")) == Found(route_of(link), "hit")

    await until(is_replaced, seconds=5)


async def test_a_malformed_record_does_not_affect_other_lookups(
    lookup: Lookup, redis: RedisClient, writer_database: Database, link: Link
) -> None:
    await publish(writer_database, redis)
    await redis.set(redis_keys.route(in_default_domain("broken")), b"junk")
    await redis.config_resetstat()
    await lookup.find(in_default_domain("broken"))
    await until(lambda: script_ran(redis))
    assert await lookup.find(in_default_domain("abc")) == Found(route_of(link), "hit")
