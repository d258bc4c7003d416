"""Exceptions in the fast path and faults of Redis leave no visitor without a response, and lose no click."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from services.resolver.app import RAW_CONNECTION, create_api
from services.resolver.clicks.stream_writer import StreamWriter
from services.resolver.fast_path import batch
from services.resolver.fast_path.responses import Responses
from services.resolver.settings import ResolverSettings
from shared.http.server import FAST_PATH
from shared.redis.client import RedisClient
from tests.integration.fast_path import URL, clicks_in, follow, took_fast_path
from tests.integration.stores import Stores
from tests.support.environments import environment
from tests.support.network import TcpProxy, at_port
from tests.support.served import NGINX_HEADERS, Client, served
from tests.support.waiting import until

FAULTS = {
    "decide": (batch, "decide"),
    "decode": (batch, "decode"),
    "the script": (batch, "look_up_and_add"),
    "the responses": (Responses, "redirect"),
}


@pytest.mark.parametrize(("where", "name"), FAULTS.values(), ids=FAULTS.keys())
async def test_an_exception_in_the_fast_path_leaves_no_visitor_without_a_response(
    *,
    client: Client,
    publish: Callable[..., Any],
    redis: RedisClient,
    monkeypatch: pytest.MonkeyPatch,
    where: Any,
    name: str,
) -> None:
    await publish()
    with monkeypatch.context() as patch:
        patch.setattr(where, name, lambda *_: 1 / 0)
        async with asyncio.timeout(10):
            responses = [await asyncio.gather(*(follow(client) for _ in range(8))) for _ in range(3)]
    assert {response.status for some in responses for response in some} == {302}

    async def is_recorded() -> bool:  # by the spool if the circuit breaker has opened
        return {click.id for click in await clicks_in(redis)} == {NGINX_HEADERS["X-Request-ID"]}

    async def is_fast_again() -> bool:
        return took_fast_path(await follow(client))

    await until(is_recorded)
    await until(is_fast_again)


async def test_an_exception_while_a_visit_is_offered_goes_to_the_application(
    app: web.Application, client: Client, publish: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish()
    monkeypatch.setattr(app[FAST_PATH], "offer", lambda *_: 1 / 0)
    async with asyncio.timeout(10):
        responses = [await follow(client) for _ in range(3)]
    assert {response.status for response in responses} == {302}


async def test_an_exception_while_the_clicks_are_added_leaves_no_visitor_without_a_response(
    client: Client, publish: Callable[..., Any], redis: RedisClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(forward_query=True)
    monkeypatch.setattr(StreamWriter, "send", lambda *_: 1 / 0)
    async with asyncio.timeout(10):
        responses = await asyncio.gather(*(follow(client, "/abc?a=1") for _ in range(8)))
    assert {(response.status, response.headers["Location"]) for response in responses} == {(302, f"{URL}?a=1")}

    async def is_recorded() -> bool:  # by the spool
        return {click.id for click in await clicks_in(redis)} == {NGINX_HEADERS["X-Request-ID"]}

    await until(is_recorded)


@pytest.fixture
async def proxied_app(
    stores: Stores, database_name: str, proxy: TcpProxy, redis: RedisClient, tmp_path: Path
) -> web.Application:
    """A resolver that reaches Redis only while the proxy is open."""
    assert redis
    env = environment(
        stores.database_settings(database_name, "boltlink_resolver"),
        at_port(stores.redis_settings(timeout=0.2), proxy.port),
        spool_folder=tmp_path,
    )
    return create_api(ResolverSettings.from_env(env))


@pytest.mark.parametrize("fault", ["shut", "frozen"])
async def test_clicks_are_kept_while_redis_is_unavailable_and_the_fast_path_recovers(
    *,
    proxied_app: web.Application,
    aiohttp_client: AiohttpClient,
    publish: Callable[..., Any],
    proxy: TcpProxy,
    redis: RedisClient,
    fault: str,
) -> None:
    await publish()
    client = await served(aiohttp_client, proxied_app)
    assert took_fast_path(await follow(client, X_Request_ID=f"{100:032x}"))
    if fault == "shut":
        await proxy.shut()
    else:
        proxy.freeze()
    responses = await asyncio.gather(*(follow(client, X_Request_ID=f"{number:032x}") for number in range(20)))
    assert {response.status for response in responses} == {302}
    if fault == "shut":
        await proxy.open()
    else:
        proxy.thaw()

    async def is_fast_again() -> bool:
        return proxied_app[RAW_CONNECTION].is_open and took_fast_path(await follow(client, X_Request_ID=f"{101:032x}"))

    await until(is_fast_again)
    expected = {f"{number:032x}" for number in [*range(20), 100, 101]}

    async def are_all_recorded() -> bool:
        return {click.id for click in await clicks_in(redis)} == expected

    await until(are_all_recorded)


async def test_a_connection_that_redis_closes_loses_no_redirect(
    proxied_app: web.Application,
    aiohttp_client: AiohttpClient,
    publish: Callable[..., Any],
    redis: RedisClient,
) -> None:
    await publish()
    client = await served(aiohttp_client, proxied_app)
    await follow(client)
    for row in await redis.client_list():
        if row["id"] != str(await redis.client_id()):
            await redis.client_kill_filter(_id=row["id"])
    assert (await follow(client)).status == 302
