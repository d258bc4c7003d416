"""A resolver that serves links, with and without the fast path."""

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import ClientResponse
from pytest_aiohttp import AiohttpClient

from services.resolver.app import create_api
from services.resolver.settings import ResolverSettings
from services.writer.redis_sync.relay import relay_once
from shared.postgres.pool import Database
from shared.redis.client import RedisClient
from shared.redis.route_records import RouteRecords
from tests.support.served import Client, served

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


async def follow(client: Client, code: str = "abc", method: str = "GET", **headers: str) -> ClientResponse:
    """Visit a link; the response. Header names have _ for -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.request(method, f"/{code}", headers=sent, allow_redirects=False) as response:
        await response.read()
        return response


async def publish(database: Database, redis: RedisClient) -> None:
    await relay_once(database, RouteRecords(redis), link_lifetime=600)
