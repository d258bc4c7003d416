"""Promise: a network to a store that is cut, loses packets or is slow costs nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.local.runtime import restart
from deploy.local.settings import LocalSettings
from tests.chaos.conftest import OUTAGE_SECONDS, UnderLoad
from tests.support.network import can_drop_packets, packet_loss, running_proxy

DELAY = 0.2

needs_iptables = pytest.mark.skipif(
    not can_drop_packets(), reason="dropping packets needs root and iptables: run make test-chaos as root"
)


def port_of(stack: LocalSettings, store: str) -> int:
    return stack.redis_port if store == "redis" else stack.postgres_port


@needs_iptables
@pytest.mark.parametrize("store", ["redis", "postgres"])
@pytest.mark.parametrize(("state", "share"), [("cut", 1.0), ("losing every tenth packet", 0.1)])
async def test_a_network_that_loses_packets_costs_nothing(
    stack: LocalSettings, under_load: UnderLoad, store: str, state: str, share: float
) -> None:
    async with under_load(f"the network to {store.capitalize()} {state}") as row:
        while row.has_time_left:
            with packet_loss(port_of(stack, store), share):
                await row.run_for(OUTAGE_SECONDS)
            await row.run_for(OUTAGE_SECONDS / 2)


@pytest.mark.parametrize("store", ["redis", "postgres"])
async def test_a_slow_network_costs_nothing(stack: LocalSettings, under_load: UnderLoad, store: str) -> None:
    async with under_load(f"the network to {store.capitalize()} slow by 200 ms") as row, slow_network(stack, store):
        while row.has_time_left:
            await row.run_for(OUTAGE_SECONDS)


@asynccontextmanager
async def slow_network(stack: LocalSettings, store: str) -> AsyncIterator[None]:
    """Restart the services with a proxy in front of a store, which delays all replies of the store."""
    port = port_of(stack, store)
    databases = tuple(f"{role}_database_url" for role in ("writer", "resolver", "stats"))
    names = ("redis_url",) if store == "redis" else databases
    files = {stack.secrets / name: (stack.secrets / name).read_text() for name in names}
    async with running_proxy(port, DELAY) as proxy:
        for path, text in files.items():
            path.write_text(text.replace(f":{port}/", f":{proxy.port}/"))
        await asyncio.to_thread(restart, stack)
        try:
            yield
        finally:
            for path, text in files.items():
                path.write_text(text)
            await asyncio.to_thread(restart, stack)
