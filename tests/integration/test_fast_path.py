"""The fast path responds as the application path does, counts each redirect once, and passes on what it cannot do."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from services.writer.redis_sync.relay import relay_once
from shared.domain.codes import in_default_domain
from shared.postgres.pool import Database
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import RouteRecords
from tests.integration.fast_path import HOUR, URL, clicks_in, follow, took_fast_path, visible_headers
from tests.support.builders import make_link, make_owner
from tests.support.served import NGINX_HEADERS, Client

LIVE_LINKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "permanent": {"redirect_status": 301},
    "temporary": {"redirect_status": 307},
    "permanent, method kept": {"redirect_status": 308},
    "a target that is not ASCII": {"url": "https://例え.jp/ü"},
    "a target of the maximum length": {"url": URL + "ü" * (8_192 - len(URL))},
    "not expired yet": {"valid_until": datetime.now(UTC) + HOUR},
    "already valid": {"valid_since": datetime.now(UTC) - HOUR},
    "a query that is forwarded": {"forward_query": True},
}


@pytest.mark.parametrize("options", LIVE_LINKS.values(), ids=LIVE_LINKS.keys())
async def test_both_paths_respond_and_count_alike(
    client: Client, publish: Callable[..., Any], redis: RedisClient, options: dict[str, Any]
) -> None:
    link_id = await publish(**options)
    fast = await follow(client, "/abc?a=1", User_Agent="a browser", Referer="https://example.org/")
    [recorded] = await clicks_in(redis)
    await redis.delete(redis_keys.CLICK_STREAM)
    slow = await follow(client, "/abc?a=1", User_Agent="a browser", Referer="https://example.org/", X_Debug="true")
    assert (took_fast_path(fast), took_fast_path(slow)) == (True, False)
    assert (fast.status, visible_headers(fast)) == (slow.status, visible_headers(slow))
    assert [recorded] == await clicks_in(redis)
    assert recorded.link_id == link_id
    assert (recorded.id, recorded.at_ms) == (NGINX_HEADERS["X-Request-ID"], 1_772_366_400_123)


@pytest.mark.parametrize("accept", ["text/html,*/*;q=0.8", "application/json", None])
async def test_both_paths_respond_alike_for_a_disabled_link(
    client: Client, publish: Callable[..., Any], redis: RedisClient, accept: str | None
) -> None:
    await publish(enabled=False)
    accept_header = {"Accept": accept} if accept else {}
    fast = await follow(client, **accept_header)
    slow = await follow(client, X_Debug="true", **accept_header)
    assert (fast.status, visible_headers(fast)) == (slow.status, visible_headers(slow)) == (404, visible_headers(slow))
    assert fast.headers["Content-Type"] == slow.headers["Content-Type"]
    assert fast.headers["X-Request-ID"] == NGINX_HEADERS["X-Request-ID"]
    assert fast.body == slow.body
    assert await clicks_in(redis) == []


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize(
    ("options", "status"),
    [({"valid_since": datetime.now(UTC) + HOUR}, 404), ({"valid_until": datetime.now(UTC) - HOUR}, 410)],
)
async def test_both_paths_respond_alike_for_a_link_outside_of_its_time(
    *,
    client: Client,
    publish: Callable[..., Any],
    redis: RedisClient,
    options: dict[str, Any],
    status: int,
    accept: str,
) -> None:
    await publish(**options)
    fast = await follow(client, Accept=accept)
    slow = await follow(client, Accept=accept, X_Debug="true")
    assert (fast.status, visible_headers(fast), fast.body) == (status, visible_headers(slow), slow.body)
    assert (fast.headers["Content-Type"], slow.status) == (slow.headers["Content-Type"], status)
    assert await clicks_in(redis) == []


async def test_a_limited_link_is_passed_to_the_application(client: Client, publish: Callable[..., Any]) -> None:
    await publish(max_clicks=1)
    response = await follow(client)
    assert (response.status, took_fast_path(response)) == (302, False)


async def test_a_redirect_to_expired_url_is_no_click(
    client: Client, publish: Callable[..., Any], redis: RedisClient
) -> None:
    await publish(valid_until=datetime.now(UTC) - HOUR, expired_url="https://example.com/over")
    response = await follow(client)
    assert (response.status, response.headers["Location"]) == (302, "https://example.com/over")
    assert took_fast_path(response)
    assert await clicks_in(redis) == []


@pytest.mark.parametrize(
    ("path", "headers", "method"),
    [
        ("/abc", {"X_Request_ID": "no id of nginx"}, "GET"),
        ("/abc", {"X_Request_Start": "yesterday"}, "GET"),
        ("/abc", {"X_Debug": "true"}, "GET"),
        ("/abc", {"Connection": "close"}, "GET"),
        ("/abc", {}, "HEAD"),
    ],
)
async def test_an_unusual_request_is_passed_to_the_application(
    client: Client, publish: Callable[..., Any], path: str, headers: dict[str, str], method: str
) -> None:
    await publish()
    response = await follow(client, path, method, **headers)
    assert (response.status, took_fast_path(response)) == (302, False)


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
async def test_a_path_of_the_service_is_not_taken_for_a_code(client: Client, path: str) -> None:
    assert (await follow(client, path)).status == 200


@pytest.mark.parametrize(
    "record",
    [
        "junk",
        "1 2",
        "1 2 302",
        "1 x 302 https://a/",
        "1 2 999 https://a/",
        "1 2 {",
        "",
        "1 2 302 https://a/\r\nX: 1",
        '1 2 {"url":"https://a/","redirect_status":302}',
        '1 2 {"url":"https://a/","redirect_status":302,"limited":false}',
    ],
)
async def test_a_malformed_record_is_read_again_from_postgres(
    client: Client, publish: Callable[..., Any], redis: RedisClient, record: str
) -> None:
    link_id = await publish()
    await redis.set(redis_keys.route(in_default_domain("abc")), record)
    response = await follow(client)
    assert (response.status, response.headers["Location"]) == (302, URL)
    assert link_id in {click.link_id for click in await clicks_in(redis)}


async def test_each_visit_of_a_batch_gets_the_response_of_its_own_code(
    client: Client, writer_database: Database, redis: RedisClient
) -> None:
    owner_id = await make_owner(writer_database)
    for number in range(60):
        options = {"forward_query": True} if number % 3 == 0 else {}
        await make_link(writer_database, owner_id=owner_id, code=f"c{number}", url=f"{URL}{number}", **options)
    await relay_once(writer_database, RouteRecords(redis), link_lifetime=600)

    async def visit(number: int) -> tuple[int, str]:
        response = await follow(client, f"/c{number}", X_Request_ID=f"{number:032x}")
        return response.status, response.headers.get("Location", "")

    responses = await asyncio.gather(*(visit(number) for number in range(70)))
    assert responses == [(302, f"{URL}{number}") for number in range(60)] + [(404, "")] * 10
    assert sorted(click.id for click in await clicks_in(redis)) == [f"{number:032x}" for number in range(60)]
