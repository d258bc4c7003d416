import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shared.domain.codes import in_default_domain
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Route
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from shared.redis.route_records import RouteRecords, RouteUpdate, decode
from tests.integration.stores import Stores
from tests.support.network import at_port, refusing_port, silent_port

PLAIN = Route(version=1, link_id=7, live=True, url="https://example.com/")
LIFETIME = 600


async def put(records: RouteRecords, route: Route, *, code: str = "abc", lifetime: int = LIFETIME) -> None:
    await records.put([RouteUpdate(in_default_domain(code), route, lifetime)])


async def get(records: RouteRecords, code: str = "abc") -> Route | None:
    (record,) = await records.get([in_default_domain(code)])
    return None if record is None else decode(record)


async def lifetime_of(redis: RedisClient, code: str = "abc") -> int:
    return int(await redis.ttl(redis_keys.route(in_default_domain(code))))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"redirect_status": 308},
        {"valid_since": 1_772_366_400.123456},
        {"valid_until": 0.0},
        {"limited": True},
        {"expired_url": "https://example.com/gone"},
        {"forward_query": True},
        {"live": False, "url": ""},
        {"valid_since": 1.5, "valid_until": 2.5, "limited": True, "expired_url": "x", "forward_query": True},
    ],
)
async def test_a_route_is_read_as_it_was_written(records: RouteRecords, fields: dict[str, Any]) -> None:
    route = PLAIN._replace(**fields)
    await put(records, route)
    assert await get(records) == route


async def test_records_are_in_the_order_of_the_names_with_none_for_missing_ones(records: RouteRecords) -> None:
    for version, code in ((1, "a"), (2, "b")):
        await put(records, PLAIN._replace(version=version), code=code)
    found = await records.get(
        [in_default_domain("b"), in_default_domain("unknown"), in_default_domain("a"), in_default_domain("A")]
    )
    assert [record and decode(record).version for record in found] == [2, None, 1, None]


async def test_many_routes_are_written_at_once(records: RouteRecords) -> None:
    codes = [f"code-{number}" for number in range(500)]
    await records.put([RouteUpdate(in_default_domain(code), PLAIN, LIFETIME) for code in codes])
    assert None not in await records.get([in_default_domain(code) for code in codes])


async def test_a_newer_record_replaces_an_older_one(records: RouteRecords) -> None:
    await put(records, PLAIN._replace(version=9))
    newer = PLAIN._replace(version=10, url="https://example.com/new")
    await put(records, newer)
    assert await get(records) == newer


async def test_an_older_record_never_replaces_a_newer_one(records: RouteRecords) -> None:
    newer = PLAIN._replace(version=10)
    await put(records, newer)
    await put(records, PLAIN._replace(version=9))
    assert await get(records) == newer


async def test_an_older_record_does_not_touch_the_lifetime_of_a_newer_one(
    records: RouteRecords, redis: RedisClient
) -> None:
    await put(records, PLAIN._replace(version=2), lifetime=100)
    await put(records, PLAIN, lifetime=10_000)
    assert await lifetime_of(redis) <= 100


@pytest.mark.parametrize("seed", range(5))
async def test_of_simultaneous_versions_the_newest_stays(records: RouteRecords, seed: int) -> None:
    routes = [PLAIN._replace(version=version, url=f"https://example.com/{version}") for version in range(60)]
    random.Random(seed).shuffle(routes)  # noqa: S311  # no secret
    await asyncio.gather(*(put(records, route) for route in routes))
    assert await get(records) == PLAIN._replace(version=59, url="https://example.com/59")


async def test_of_versions_in_one_call_the_newest_stays(records: RouteRecords) -> None:
    await records.put(
        [RouteUpdate(in_default_domain("abc"), PLAIN._replace(version=version), LIFETIME) for version in (2, 3, 1)]
    )
    assert await get(records) == PLAIN._replace(version=3)


async def test_an_equal_version_refreshes_the_lifetime(records: RouteRecords, redis: RedisClient) -> None:
    await put(records, PLAIN, lifetime=100)
    await put(records, PLAIN, lifetime=10_000)
    assert await lifetime_of(redis) > 100


async def test_a_record_has_its_lifetime(records: RouteRecords, redis: RedisClient) -> None:
    await put(records, PLAIN, lifetime=100)
    assert 0 < await lifetime_of(redis) <= 100


async def test_a_record_of_an_unknown_code_is_replaced_by_a_link(records: RouteRecords) -> None:
    await put(records, Route(version=0))
    await put(records, PLAIN)
    assert await get(records) == PLAIN


async def test_a_record_of_an_unknown_code_never_replaces_a_link(records: RouteRecords) -> None:
    await put(records, PLAIN)
    await put(records, Route(version=0))
    assert await get(records) == PLAIN


async def test_a_removal_is_not_undone_by_an_older_record(records: RouteRecords) -> None:
    await put(records, Route(version=3))
    await put(records, PLAIN._replace(version=2))
    assert await get(records) == Route(version=3)


@pytest.mark.parametrize("broken", [b"", b"junk", b"\xff\xfe"])
async def test_a_malformed_record_is_overwritten(records: RouteRecords, redis: RedisClient, broken: bytes) -> None:
    await redis.set(redis_keys.route(in_default_domain("abc")), broken)
    await put(records, PLAIN)
    assert await get(records) == PLAIN


async def test_a_malformed_record_does_not_affect_other_writes(records: RouteRecords, redis: RedisClient) -> None:
    await redis.set(redis_keys.route(in_default_domain("broken")), b"junk")
    await records.put([RouteUpdate(in_default_domain(code), PLAIN, LIFETIME) for code in ("broken", "abc")])
    assert await get(records) == PLAIN


async def test_a_write_that_redis_does_not_confirm_raises_store_unavailable(stores: Stores) -> None:
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as unavailable:
            with pytest.raises(StoreUnavailable):
                await put(RouteRecords(unavailable), PLAIN)


@pytest.fixture
async def silent_records(stores: Stores) -> AsyncIterator[RouteRecords]:
    with silent_port() as port:
        async with redis_client(at_port(stores.redis_settings(timeout=0.1), port)) as silent:
            yield RouteRecords(silent)


async def test_a_redis_that_does_not_reply_raises_store_unavailable(silent_records: RouteRecords) -> None:
    async with asyncio.timeout(10):
        with pytest.raises(StoreUnavailable):
            await silent_records.get([in_default_domain("abc")])
        with pytest.raises(StoreUnavailable):
            await put(silent_records, PLAIN)


async def test_a_script_that_redis_has_forgotten_is_loaded_again(records: RouteRecords, redis: RedisClient) -> None:
    await put(records, PLAIN)
    await redis.script_flush()
    await put(records, PLAIN._replace(version=2))
    assert await get(records) == PLAIN._replace(version=2)
