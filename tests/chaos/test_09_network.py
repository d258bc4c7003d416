"""Promise: a network between the services and a store that is cut, loses packets or is slow costs nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.runtime import restart
from deploy.local.settings import LocalSettings
from tests.chaos.conftest import AWAY_SECONDS, UnderLoad
from tests.support.network import lossy, may_lose_packets, tcp_proxy

DELAY = 0.2

needs_iptables = pytest.mark.skipif(not may_lose_packets(), reason="needs root and iptables")


def port_of(stack: LocalSettings, store: str) -> int:
    return stack.redis_port if store == "redis" else stack.postgres_port


@needs_iptables
@pytest.mark.parametrize("store", ["redis", "postgres"])
@pytest.mark.parametrize(("what", "share"), [("cut", 1.0), ("losing every tenth packet", 0.1)])
async def test_a_network_that_loses_packets_costs_nothing(
    stack: LocalSettings, under_load: UnderLoad, store: str, what: str, share: float
) -> None:
    async with under_load(f"the network to {store.capitalize()} {what}") as load:
        while load.goes_on:
            with lossy(port_of(stack, store), share):
                await load.pause(AWAY_SECONDS)
            await load.pause(AWAY_SECONDS / 2)


@pytest.mark.parametrize("store", ["redis", "postgres"])
async def test_a_network_that_is_slow_costs_nothing(stack: LocalSettings, under_load: UnderLoad, store: str) -> None:
    async with under_load(f"the network to {store.capitalize()} slow by 200 ms") as load, slow_way(stack, store):
        while load.goes_on:
            await load.pause(AWAY_SECONDS)


@asynccontextmanager
async def slow_way(stack: LocalSettings, store: str) -> AsyncIterator[None]:
    """Services that reach a store only by a way that delays all that it says."""
    port = port_of(stack, store)
    databases = tuple(f"{role}_database_url" for role in ("writer", "resolver", "stats"))
    names = ("redis_url",) if store == "redis" else databases
    files = {stack.secrets / name: (stack.secrets / name).read_text() for name in names}
    async with tcp_proxy(port, DELAY) as way:
        for path, text in files.items():
            path.write_text(text.replace(f":{port}/", f":{way.port}/"))
        await asyncio.to_thread(restart, stack)
        try:
            yield
        finally:
            for path, text in files.items():
                path.write_text(text)
            await asyncio.to_thread(restart, stack)
