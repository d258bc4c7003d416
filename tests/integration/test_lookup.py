import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.resolver.lookup.lookup import Found, Lookup
from services.resolver.lookup.postgres_lookup import BURST, UNKNOWN
from services.writer.links import changes
from services.writer.redis_sync.relay import relay_once
from shared.domain.codes import in_default_domain
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.postgres.connection import Row
from shared.postgres.pool import Database, connect
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from shared.redis.route_records import RouteRecords, RouteUpdate, decode, route_of
from tests.integration.conftest import Stores
from tests.support.builders import make_link, make_owner
from tests.support.network import TcpProxy, at_port, refusing_port, running_proxy, silent_port
from tests.support.waiting import equals, until

LINK_LIFETIME, MISS_LIFETIME = 600, 30


def lookup_of(redis: RedisClient, database: Database) -> Lookup:
    return Lookup(
        RouteRecords(redis), database, CircuitBreaker(), link_lifetime=LINK_LIFETIME, miss_lifetime=MISS_LIFETIME
    )


@pytest.fixture
async def lookup(redis: RedisClient, resolver_database: Database) -> AsyncIterator[Lookup]:
    lookup = lookup_of(redis, resolver_database)
    yield lookup
    await lookup.finish()


@pytest.fixture
async def unavailable_redis(stores: Stores) -> AsyncIterator[RedisClient]:
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as client:
            yield client


@pytest.fixture
async def silent_redis(stores: Stores) -> AsyncIterator[RedisClient]:
    with silent_port() as port:
        async with redis_client(at_port(stores.redis_settings(timeout=0.1), port)) as client:
            yield client


@pytest.fixture
async def unavailable_database(stores: Stores) -> AsyncIterator[Database]:
    with refusing_port() as port:
        async with connect(at_port(stores.database_settings("any_test"), port)) as found:
            yield found


@pytest.fixture
def count_reads(resolver_database: Database) -> Callable[[], int]:
    """A function that returns the number of reads from Postgres."""
    return counting_reads(resolver_database)


def counting_reads(database: Database) -> Callable[[], int]:
    """Count the statements that read from now on; a function that returns the number."""
    read = database.fetch_all
    statements: list[str] = []

    async def counting(statement: str, values: Any = None) -> list[Row]:
        statements.append(statement)
        return await read(statement, values)

    database.fetch_all = counting  # type: ignore[method-assign]  # the database is this test's own
    return lambda: len(statements)


async def record_of(redis: RedisClient, code: str = "abc") -> bytes | None:
    record: Any = await redis.get(redis_keys.route(in_default_domain(code)))
    return None if record is None else bytes(record)


async def is_stored(redis: RedisClient, code: str = "abc") -> bool:
    return await record_of(redis, code) is not None


async def publish(database: Database, redis: RedisClient) -> None:
    await relay_once(database, RouteRecords(redis), link_lifetime=LINK_LIFETIME)


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


async def mget_calls(redis: RedisClient) -> int:
    statistics: Any = await redis.info("commandstats")
    return int(statistics.get("cmdstat_mget", {"calls": 0})["calls"])


@pytest.mark.parametrize("code", ["abc", "unknown"])
async def test_a_burst_for_one_code_makes_one_postgres_lookup(
    *, lookup: Lookup, redis: RedisClient, database: Database, link: Link, count_reads: Callable[[], int], code: str
) -> None:
    await redis.config_resetstat()
    async with database.transaction() as conn:
        await conn.execute("LOCK TABLE links")  # so that Postgres responds only after all lookups have started
        finding = [asyncio.create_task(lookup.find(in_default_domain(code))) for _ in range(100)]
        await until(lambda: equals(mget_calls(redis), 1))
    found = await asyncio.gather(*finding)
    assert set(found) == {Found(route_of(link) if code == "abc" else UNKNOWN, "miss")}
    assert count_reads() == 1


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


async def script_ran(redis: RedisClient) -> bool:
    """Whether a record was written since the statistics were reset."""
    statistics: Any = await redis.info("commandstats")
    return "cmdstat_evalsha" in statistics


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


async def test_a_flood_of_unknown_codes_is_throttled(lookup: Lookup, count_reads: Callable[[], int]) -> None:
    finding = [asyncio.create_task(lookup.find(in_default_domain(f"flood-{number}"))) for number in range(20)]
    await asyncio.gather(*finding)  # uses up most of the burst that the throttle allows
    for number in range(BURST):
        await lookup.find(in_default_domain(f"one-more-{number}"))
    before = count_reads()
    found = await asyncio.gather(*(lookup.find(in_default_domain(f"flood-2-{number}")) for number in range(1_000)))
    assert set(found) == {Found(UNKNOWN, "miss")}
    assert count_reads() - before <= 2  # the first code alone, then all others in one query


async def test_evicted_links_are_not_throttled(
    lookup: Lookup, writer_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner_id = await make_owner(writer_database)
    codes = [f"code-{number}" for number in range(2 * BURST)]
    made = [await make_link(writer_database, owner_id=owner_id, code=code) for code in codes]
    monkeypatch.setattr(asyncio, "sleep", None)  # a throttled lookup would sleep, and fail
    assert [(await lookup.find(in_default_domain(code))).route for code in codes] == [route_of(link) for link in made]


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


async def test_a_postgres_that_hangs_opens_the_circuit_breaker(stores: Stores, redis: RedisClient) -> None:
    with silent_port() as port:
        settings = replace(at_port(stores.database_settings("any_test"), port), acquire_timeout=0.5)
        async with connect(settings) as hanging:
            reads = counting_reads(hanging)
            lookup = lookup_of(redis, hanging)
            for _ in range(2):
                results = await asyncio.gather(
                    *(lookup.find(in_default_domain(f"code-{n}")) for n in range(200)), return_exceptions=True
                )
                assert [type(result) for result in results] == [StoreUnavailable] * 200
    assert reads() == 1


async def test_a_miss_without_postgres_raises_store_unavailable(
    redis: RedisClient, unavailable_database: Database
) -> None:
    with pytest.raises(StoreUnavailable):
        await lookup_of(redis, unavailable_database).find(in_default_domain("abc"))


async def test_a_failure_of_postgres_is_not_cached(redis: RedisClient, unavailable_database: Database) -> None:
    with pytest.raises(StoreUnavailable):
        await lookup_of(redis, unavailable_database).find(in_default_domain("abc"))
    assert not await is_stored(redis)


async def test_a_cancelled_lookup_does_not_affect_others_for_the_same_code(
    lookup: Lookup, database: Database, redis: RedisClient, link: Link
) -> None:
    await redis.config_resetstat()
    async with database.transaction() as conn:
        await conn.execute("LOCK TABLE links")
        leaving, staying = (asyncio.create_task(lookup.find(in_default_domain("abc"))) for _ in range(2))
        await until(lambda: equals(mget_calls(redis), 1))
        leaving.cancel()
    assert await staying == Found(route_of(link), "miss")
