import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from pytest_aiohttp import AiohttpClient

from services.resolver.app import create_api
from services.resolver.settings import ResolverSettings
from services.writer.links import changes
from services.writer.redis_sync.relay import relay_once
from shared.domain.models import ClickEvent, Link
from shared.postgres.pool import Database
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import RouteRecords
from tests.integration.conftest import Stores
from tests.support.builders import make_link
from tests.support.environments import environment
from tests.support.network import at_port, refusing_port, running_proxy
from tests.support.served import Client, served
from tests.support.waiting import until

URL = "https://example.com/"
ID = "0123456789abcdef0123456789abcdef"


Serve = Callable[[dict[str, str]], Awaitable[Client]]


@pytest.fixture(params=["application path", "fast path"])
def serve(request: pytest.FixtureRequest, aiohttp_client: AiohttpClient) -> Serve:
    """Serves a resolver, once without and once with the fast path."""

    async def serve(environ: dict[str, str]) -> Client:
        app = create_api(ResolverSettings.from_env(environ))
        return await aiohttp_client(app) if request.param == "application path" else await served(aiohttp_client, app)

    return serve


@pytest.fixture
async def client(serve: Serve, environ: Callable[..., dict[str, str]]) -> Client:
    return await serve(environ("resolver"))


async def follow(client: Client, code: str = "abc", method: str = "GET", **headers: str) -> ClientResponse:
    """Visit a link; the response. Header names have _ for -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.request(method, f"/{code}", headers=sent, allow_redirects=False) as response:
        await response.read()
        return response


async def clicks_in(redis: RedisClient) -> list[ClickEvent]:
    entries: Any = await redis.xrange(redis_keys.CLICK_STREAM)
    return [
        click_events.decode(event) for _, fields in entries for event in click_events.split(fields[click_stream.FIELD])
    ]


async def publish(database: Database, redis: RedisClient) -> None:
    await relay_once(database, RouteRecords(redis), link_lifetime=600)


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


@pytest.mark.parametrize("code", ["%00", "%FF", "%C3%28", "%F0%9F%98%80", "%0A", "a" * 65])
async def test_an_invalid_code_is_404(client: Client, code: str) -> None:
    assert (await follow(client, code)).status == 404
