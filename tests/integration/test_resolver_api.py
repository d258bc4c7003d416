"""A resolver redirects visitors by the options of the link, and records their clicks."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.writer.links import changes
from shared.domain.models import ClickEvent, Link
from shared.postgres.pool import Database
from shared.redis.client import RedisClient
from tests.integration.fast_path import clicks_in
from tests.integration.resolvers import ID, URL, Serve, follow, publish
from tests.support.builders import make_link
from tests.support.served import Client
from tests.support.waiting import until


@pytest.fixture
async def client(serve: Serve, environ: Callable[..., dict[str, str]]) -> Client:
    return await serve(environ("resolver"))


@pytest.mark.usefixtures("link")
async def test_a_visitor_is_redirected(client: Client) -> None:
    response = await follow(client)
    assert (response.status, response.headers["Location"]) == (302, URL)
    assert response.headers["Cache-Control"] == "private, no-store"


async def test_a_click_is_recorded_as_the_resolver_saw_it(client: Client, link: Link, redis: RedisClient) -> None:
    await follow(
        client,
        X_Request_ID=ID,
        X_Request_Start="1772366400.123",
        X_Real_IP="203.0.113.7",
        User_Agent="a browser",
        Referer="https://example.org/",
    )
    assert await clicks_in(redis) == [
        ClickEvent(
            id=ID,
            at_ms=1_772_366_400_123,
            link_id=link.id,
            address="203.0.113.7",
            user_agent="a browser",
            referrer="https://example.org/",
        )
    ]


@pytest.mark.usefixtures("link")
async def test_head_gets_the_same_response_and_is_no_click(client: Client, redis: RedisClient) -> None:
    response = await follow(client, method="HEAD")
    assert (response.status, response.headers["Location"]) == (302, URL)
    assert await clicks_in(redis) == []


async def test_an_unknown_code_is_404_and_no_click(client: Client, redis: RedisClient) -> None:
    assert (await follow(client, "unknown")).status == 404
    assert await clicks_in(redis) == []


@pytest.mark.usefixtures("link")
async def test_a_redirect_with_x_debug_names_the_source_of_its_route(client: Client) -> None:
    assert (await follow(client, X_Debug="true")).headers["X-Cache"] == "miss"

    async def is_a_hit() -> bool:
        return (await follow(client, X_Debug="true")).headers["X-Cache"] == "hit"

    await until(is_a_hit)


@pytest.mark.parametrize("act", ["delete", "purge"])
async def test_a_deleted_or_disabled_link_is_404_once_it_is_relayed(
    client: Client, link: Link, writer_database: Database, redis: RedisClient, act: str
) -> None:
    await follow(client)
    await getattr(changes, act)(writer_database, link.name, based_on=None)
    await publish(writer_database, redis)
    assert (await follow(client)).status == 404


@pytest.mark.parametrize(
    ("options", "status", "location"),
    [
        ({"enabled": False}, 404, None),
        ({"valid_since": datetime.now(UTC) + timedelta(days=1)}, 404, None),
        ({"valid_until": datetime.now(UTC) - timedelta(days=1)}, 410, None),
        (
            {"valid_until": datetime.now(UTC) - timedelta(days=1), "expired_url": "https://gone.example/"},
            302,
            "https://gone.example/",
        ),
        ({"redirect_status": 308}, 308, URL),
        ({"url": "https://例え.jp/ü"}, 302, "https://xn--r8jz45g.jp/%C3%BC"),
    ],
)
@pytest.mark.parametrize("relayed", [False, True])
async def test_a_link_redirects_by_its_options_from_either_store(
    *,
    client: Client,
    writer_database: Database,
    owner_id: int,
    redis: RedisClient,
    options: dict[str, Any],
    status: int,
    location: str | None,
    relayed: bool,
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc", **options)
    if relayed:
        await publish(writer_database, redis)
    response = await follow(client)
    assert (response.status, response.headers.get("Location")) == (status, location)


async def test_a_limited_link_redirects_max_clicks_times_also_simultaneously(
    client: Client, writer_database: Database, owner_id: int, redis: RedisClient
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc", max_clicks=7)
    responses = await asyncio.gather(*(follow(client) for _ in range(50)))
    assert sorted(response.status for response in responses) == [302] * 7 + [410] * 43
    assert len(await clicks_in(redis)) == 7


async def test_an_exhausted_link_redirects_to_its_expired_url_without_a_click(
    client: Client, writer_database: Database, owner_id: int, redis: RedisClient
) -> None:
    await make_link(
        writer_database, owner_id=owner_id, code="abc", max_clicks=1, expired_url="https://example.com/gone"
    )
    await follow(client)
    response = await follow(client)
    assert (response.status, response.headers["Location"]) == (302, "https://example.com/gone")
    assert len(await clicks_in(redis)) == 1


async def test_head_uses_up_no_click_of_a_limited_link(
    client: Client, writer_database: Database, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc", max_clicks=1)
    statuses = [(await follow(client, method=method)).status for method in ("HEAD", "HEAD", "GET", "HEAD")]
    assert statuses == [302, 302, 302, 410]


@pytest.mark.usefixtures("link")
async def test_many_simultaneous_visitors_are_all_redirected_and_recorded(client: Client, redis: RedisClient) -> None:
    responses = await asyncio.gather(*(follow(client, X_Request_ID=f"{number:032x}") for number in range(200)))
    assert {response.status for response in responses} == {302}
    assert sorted(event.id for event in await clicks_in(redis)) == [f"{number:032x}" for number in range(200)]


@pytest.mark.parametrize("code", ["%00", "%FF", "%C3%28", "%F0%9F%98%80", "%0A", "a" * 65])
async def test_an_invalid_code_is_404(client: Client, code: str) -> None:
    assert (await follow(client, code)).status == 404
