"""Lookups in Postgres are shared, throttled and cached, and a Postgres that hangs is left alone."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from services.resolver.lookup.lookup import Found, Lookup
from services.resolver.lookup.postgres_lookup import BURST, UNKNOWN
from shared.domain.codes import in_default_domain
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link
from shared.postgres.pool import Database, connect
from shared.redis.client import RedisClient
from shared.redis.route_records import route_of
from tests.integration.lookups import counting_reads, is_stored, lookup_of, mget_calls
from tests.integration.stores import Stores
from tests.support.builders import make_link, make_owner
from tests.support.network import at_port, silent_port
from tests.support.waiting import equals, until


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
