"""Every service tells whether it is healthy, and whether its stores are available."""

import asyncio

import pytest

from shared.process.version import VERSION
from tests.integration.services import STORES, Start, every_service, get
from tests.support.network import refusing_port, silent_port


@every_service
async def test_health_names_the_process(start: Start, service: str) -> None:
    client = await start(service)
    assert await get(client, "/health") == (
        200,
        {"status": "ok", "service": service, "instance": "tested-1", "version": VERSION},
    )


@every_service
async def test_a_service_with_its_stores_is_ready(start: Start, service: str) -> None:
    client = await start(service)
    status, document = await get(client, "/ready")
    assert (status, document["status"]) == (200, "ready")
    assert document["stores"] == dict.fromkeys(STORES[service], "ok")


@pytest.mark.parametrize(
    ("service", "unavailable"),
    [
        (service, unavailable)
        for service, stores in STORES.items()
        if service != "resolver"
        for unavailable in sorted(stores)
    ],
)
async def test_a_service_without_a_store_is_not_ready_and_names_the_store(
    start_with_unavailable: Start, service: str, unavailable: str
) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable(service, unavailable, port)
        async with client.get("/ready") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
            document = await response.json()
    assert document["stores"] == {store: "unavailable" if store == unavailable else "ok" for store in STORES[service]}


@pytest.mark.parametrize("unavailable", ["postgres", "redis"])
async def test_a_resolver_with_one_store_is_ready(start_with_unavailable: Start, unavailable: str) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable("resolver", unavailable, port)
        status, document = await get(client, "/ready")
    assert (status, document["stores"][unavailable]) == (200, "unavailable")


async def test_a_resolver_without_any_store_is_not_ready(start_with_unavailable: Start) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable("resolver", "postgres, redis", port)
        assert (await get(client, "/ready"))[0] == 503


async def test_a_service_whose_store_does_not_reply_is_not_ready(start_with_unavailable: Start) -> None:
    with silent_port() as port:
        client = await start_with_unavailable("writer", "redis", port)
        async with asyncio.timeout(10):
            assert (await get(client, "/ready"))[0] == 503


@every_service
async def test_a_service_without_its_stores_starts_and_is_healthy(start_with_unavailable: Start, service: str) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable(service, "postgres, redis", port)
        assert (await get(client, "/health"))[0] == 200
