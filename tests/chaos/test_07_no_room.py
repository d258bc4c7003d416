"""Promise: a full Redis costs nothing while the spool has room; a full spool costs no redirect, and every click that it
cannot hold is told by a metric that an alert watches."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest

from deploy.local.packages import find_servers
from deploy.local.processes import Processes
from deploy.local.runtime import restart
from deploy.local.settings import LocalSettings
from tests.chaos.conftest import AWAY_SECONDS, UnderLoad
from tests.support.faults import away, hanging
from tests.support.invariants import metric, reported_losses
from tests.support.waiting import until

RESOLVERS = ("resolver-1", "resolver-2", "resolver-3")


async def test_a_full_redis_costs_nothing_and_is_told(stack: LocalSettings, under_load: UnderLoad) -> None:
    processes = Processes(stack, find_servers())

    async def spool_is_told() -> bool:
        return any(metric(stack, name, "boltlink_spool_bytes") > 0 for name in RESOLVERS)

    async with under_load("Redis full (`maxmemory` reached)") as load:
        while load.goes_on:
            async with hanging(stack, "consumer-1"), full(processes):
                await until(spool_is_told)
                await load.pause(AWAY_SECONDS / 2)
            await load.pause(AWAY_SECONDS / 4)


@asynccontextmanager
async def full(processes: Processes) -> AsyncIterator[None]:
    """Redis with no more memory than it uses already."""
    limit = processes.redis("--raw", "CONFIG", "GET", "maxmemory").split("\n")[1]
    await asyncio.to_thread(processes.redis, "CONFIG", "SET", "maxmemory", "1mb")
    try:
        yield
    finally:
        await asyncio.to_thread(processes.redis, "CONFIG", "SET", "maxmemory", limit)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system for the spools")
async def test_a_full_spool_costs_no_redirect_and_tells_of_every_click_that_is_lost(
    stack: LocalSettings, under_load: UnderLoad
) -> None:
    with small_spools(stack):
        await asyncio.to_thread(restart, stack)
        async with under_load("Redis away and the disk of the spools full") as load:
            load.told_losses = True
            before = reported_losses(stack)

            async def losses_are_told() -> bool:
                return reported_losses(stack) > before

            async with away(stack, "redis"):
                await until(losses_are_told, 60)
                await load.pause(AWAY_SECONDS / 4)
            await load.pause(AWAY_SECONDS / 4)
    await asyncio.to_thread(restart, stack)


@contextmanager
def small_spools(stack: LocalSettings) -> Iterator[None]:
    """Spools on a disk of half a megabyte."""
    folder = stack.state / "spool"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=711", "tmpfs", folder], check=True)  # noqa: S607
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # noqa: S607
