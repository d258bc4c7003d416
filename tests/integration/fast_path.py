"""A resolver with its fast path, a client that sends what nginx sends, and the clicks that are recorded."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpClient

from services.resolver.app import create_api
from services.resolver.settings import ResolverSettings
from services.writer.redis_sync.relay import relay_once
from shared.domain.models import ClickEvent
from shared.postgres.pool import Database
from shared.redis import click_events, click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import RouteRecords
from tests.support.builders import make_link, make_owner
from tests.support.client import Response
from tests.support.served import Client, served

URL = "https://example.com/"
HOUR = timedelta(hours=1)


@pytest.fixture
def app(environ: Callable[..., dict[str, str]]) -> web.Application:
    return create_api(ResolverSettings.from_env(environ("resolver")))


@pytest.fixture
async def client(aiohttp_client: AiohttpClient, app: web.Application) -> Client:
    return await served(aiohttp_client, app)


@pytest.fixture
async def publish(writer_database: Database, redis: RedisClient) -> Callable[..., Any]:
    """Creates a link with the code abc and publishes it to Redis."""
    owner_id = await make_owner(writer_database)

    async def publish(**options: Any) -> int:
        link = await make_link(writer_database, owner_id=owner_id, code="abc", **options)
        await relay_once(writer_database, RouteRecords(redis), link_lifetime=600)
        return link.id

    return publish


async def follow(client: Client, path: str = "/abc", method: str = "GET", **headers: str) -> Response:
    """Visit a link; the response. Header names have _ for -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.request(method, path, headers=sent, allow_redirects=False, max_field_size=2**18) as response:
        return Response(response.status, response.headers, await response.read())


def took_fast_path(response: Response) -> bool:
    """The application repeats the request's id in each response; of a redirect, the fast path leaves that to nginx."""
    return "X-Request-ID" not in response.headers


async def clicks_in(redis: RedisClient) -> list[ClickEvent]:
    entries: Any = await redis.xrange(redis_keys.CLICK_STREAM)
    texts = [fields[click_stream.FIELD] for _, fields in entries]
    return [click_events.decode(event) for text in texts for event in click_events.split(text)]


def visible_headers(response: Response) -> dict[str, str]:
    """The headers of a response that a client of nginx gets."""
    names = ("Location", "Cache-Control", "X-Robots-Tag", "X-Upstream", "Vary", "Content-Length")
    return {name: response.headers[name] for name in names if name in response.headers}
