"""Promise: a Redis that comes back empty costs no redirect and no click; what the stream held goes into it again."""

import asyncio

from deploy.local.packages import find_servers
from deploy.local.processes import Processes
from deploy.local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.invariants import metric
from tests.support.waiting import until

LOST = "boltlink_streams_lost_total"


async def test_a_flushed_redis_costs_nothing(stack: LocalSettings, under_load: UnderLoad) -> None:
    processes = Processes(stack, find_servers())
    before = metric(stack, "consumer-1", LOST)
    flushes = 0
    async with under_load("Redis comes back empty (flushed)") as load:
        while load.goes_on:
            await asyncio.to_thread(processes.redis, "FLUSHALL")
            flushes += 1
            await load.pause(5.0)

    async def told() -> bool:
        return metric(stack, "consumer-1", LOST) - before == flushes

    await until(told)
