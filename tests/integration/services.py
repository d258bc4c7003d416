"""The five services as applications on the test's stores, and what they respond."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from services.resolver.app import create_api as create_resolver
from services.resolver.settings import ResolverSettings
from services.stats.app import create_api as create_stats
from services.stats.app import create_consumer
from services.stats.settings import ConsumerSettings, StatsSettings
from services.writer.app import create_api as create_writer
from services.writer.app import create_relay
from services.writer.settings import RelaySettings, WriterSettings
from tests.integration.stores import Stores
from tests.support.environments import environment
from tests.support.network import at_port

Environ = Callable[..., dict[str, str]]
Client = TestClient[web.Request, web.Application]

CREATE: dict[str, Callable[[dict[str, str]], web.Application]] = {
    "writer": lambda env: create_writer(WriterSettings.from_env(env)),
    "relay": lambda env: create_relay(RelaySettings.from_env(env)),
    "resolver": lambda env: create_resolver(ResolverSettings.from_env(env)),
    "stats": lambda env: create_stats(StatsSettings.from_env(env)),
    "consumer": lambda env: create_consumer(ConsumerSettings.from_env(env)),
}
ROLES = {"writer": "writer", "relay": "writer", "resolver": "resolver", "stats": "stats", "consumer": "stats"}
STORES = {
    "writer": {"postgres", "redis"},
    "relay": {"postgres", "redis"},
    "resolver": {"postgres", "redis"},
    "stats": {"postgres"},
    "consumer": {"postgres", "redis"},
}
every_service = pytest.mark.parametrize("service", CREATE)

Start = Callable[..., Awaitable[Client]]


@pytest.fixture
def start(aiohttp_client: AiohttpClient, environ: Environ) -> Start:
    """Start a service on the test's stores."""

    async def make(service: str, **more: str) -> Client:
        return await aiohttp_client(CREATE[service](environ(ROLES[service], **more)))

    return make


@pytest.fixture
def start_with_unavailable(stores: Stores, database_name: str, aiohttp_client: AiohttpClient, tmp_path: Any) -> Start:
    """Start a service with some of its stores at a port where they are unavailable."""

    async def make(service: str, unavailable: str, port: int) -> Client:
        database = stores.database_settings(database_name, f"boltlink_{ROLES[service]}")
        redis = stores.redis_settings(timeout=0.2)
        env = environment(
            at_port(database, port) if "postgres" in unavailable else database,
            at_port(redis, port) if "redis" in unavailable else redis,
            spool_folder=tmp_path / "spool",
        )
        return await aiohttp_client(CREATE[service](env))

    return make


async def get(client: Client, path: str, key: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with client.get(path, headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def metrics_of(client: Client) -> str:
    async with client.get("/metrics") as response:
        assert response.status == 200
        return await response.text()
