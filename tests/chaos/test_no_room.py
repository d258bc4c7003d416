"""Promise: a full Redis costs nothing while the spool has room; with a full spool, no redirect fails.

A metric, which an alert watches, reports every click that a full spool cannot store.
"""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from deploy.local.packages import find_servers
from deploy.local.runtime import restart
from deploy.local.settings import LocalSettings
from deploy.local.stores import LocalStores
from tests.chaos.conftest import OUTAGE_SECONDS, UnderLoad
from tests.support.faults import hanging, unavailable
from tests.support.invariants import metric, reported_losses
from tests.support.waiting import until

RESOLVERS = ("resolver-1", "resolver-2", "resolver-3")


async def test_a_full_redis_costs_nothing_and_shows_in_a_metric(stack: LocalSettings, under_load: UnderLoad) -> None:
    stores = LocalStores(stack, find_servers())

    async def metric_shows_the_spool() -> bool:
        return any(metric(stack, name, "boltlink_spool_bytes") > 0 for name in RESOLVERS)

    async with under_load("Redis full (`maxmemory` reached)") as row:
        while row.has_time_left:
            async with hanging(stack, "consumer-1"), full_redis(stores):
                await until(metric_shows_the_spool)
                await row.run_for(OUTAGE_SECONDS / 2)
            await row.run_for(OUTAGE_SECONDS / 4)


@asynccontextmanager
async def full_redis(stores: LocalStores) -> AsyncIterator[None]:
    """Set the memory limit of Redis below what it uses, so that it refuses every write while the block runs."""
    limit = stores.redis("--raw", "CONFIG", "GET", "maxmemory").split("\n")[1]
    await asyncio.to_thread(stores.redis, "CONFIG", "SET", "maxmemory", "1mb")
    try:
        yield
    finally:
        await asyncio.to_thread(stores.redis, "CONFIG", "SET", "maxmemory", limit)


@pytest.mark.skipif(
    os.geteuid() != 0, reason="mounting a small file system for the spools needs root: run make test-chaos as root"
)
async def test_a_full_spool_costs_no_redirect_and_every_lost_click_is_reported(
    stack: LocalSettings, under_load: UnderLoad
) -> None:
    with small_spools(stack):
        await asyncio.to_thread(restart, stack)
        async with under_load("Redis down and the disk of the spools full") as row:
            row.allows_reported_losses = True
            before = reported_losses(stack)

            async def losses_are_reported() -> bool:
                return reported_losses(stack) > before

            async with unavailable(stack, "redis"):
                await until(losses_are_reported, 60)
                await row.run_for(OUTAGE_SECONDS / 4)
            await row.run_for(OUTAGE_SECONDS / 4)
    await asyncio.to_thread(restart, stack)


@contextmanager
def small_spools(stack: LocalSettings) -> Iterator[None]:
    """Mount a file system of half a megabyte for the spools while the block runs."""
    folder = stack.state / "spool"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=711", "tmpfs", folder], check=True)  # noqa: S607
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S607
