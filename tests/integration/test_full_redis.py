"""A full Redis is read, and the clicks that it refuses go into the spool."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from services.resolver.handlers import CLICK_RECORDER
from services.resolver.metrics import RESOLVER_METRICS
from shared.redis.client import RedisClient
from tests.integration.fast_path import HOUR, URL, clicks_in, follow, took_fast_path
from tests.support.served import Client
from tests.support.waiting import until


@pytest.fixture
async def full_redis(redis: RedisClient, publish: Callable[..., Any]) -> AsyncIterator[Callable[..., Any]]:
    """Publishes a link and then fills Redis, so that it can be read but refuses every write."""

    async def publish_and_fill(**options: Any) -> int:
        link_id: int = await publish(**options)
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.config_set("maxmemory", 1)
        return link_id

    yield publish_and_fill
    await redis.config_set("maxmemory", 0)
    await redis.config_set("maxmemory-policy", "volatile-lfu")


@pytest.mark.parametrize("options", [{}, {"forward_query": True}, {"valid_until": datetime.now(UTC) + HOUR}])
async def test_a_full_redis_serves_lookups_and_the_clicks_go_into_the_spool(
    app: web.Application,
    client: Client,
    full_redis: Callable[..., Any],
    redis: RedisClient,
    options: dict[str, Any],
) -> None:
    await full_redis(**options)
    ids = [f"{number:032x}" for number in range(20)]
    responses = [await follow(client, X_Request_ID=request_id, X_Debug=debug(request_id)) for request_id in ids]
    assert {(response.status, response.headers["Location"]) for response in responses} == {(302, URL)}
    assert app[RESOLVER_METRICS].lookups == {"hit": 20, "miss": 0, "fallback": 0}
    assert app[CLICK_RECORDER].spooled == 20
    await redis.config_set("maxmemory", 0)

    async def are_in_the_stream() -> bool:
        return sorted(click.id for click in await clicks_in(redis)) == ids

    await until(are_in_the_stream)


def debug(request_id: str) -> str:
    """Every second visit asks for debug headers, and so is passed to the application at once."""
    return "true" if int(request_id, 16) % 2 else ""


async def test_a_full_redis_does_not_stop_the_fast_path_when_there_is_no_click_to_write(
    client: Client, full_redis: Callable[..., Any]
) -> None:
    await full_redis(valid_until=datetime.now(UTC) - HOUR, expired_url="https://example.com/over")
    assert [took_fast_path(await follow(client)) for _ in range(5)] == [True] * 5
