"""Promise: when Redis comes back empty, no redirect fails and the resolvers put the lost stream entries back."""

import asyncio

from deploy.local.packages import find_servers
from deploy.local.settings import LocalSettings
from deploy.local.stores import LocalStores
from tests.chaos.conftest import UnderLoad
from tests.support.invariants import metric
from tests.support.waiting import until

LOST_STREAMS = "boltlink_streams_lost_total"


async def test_flushing_redis_costs_nothing_and_every_flush_is_reported(
    stack: LocalSettings, under_load: UnderLoad
) -> None:
    stores = LocalStores(stack, find_servers())
    before = metric(stack, "consumer-1", LOST_STREAMS)
    flushes = 0
    async with under_load("Redis comes back empty (flushed)") as row:
        while row.has_time_left:
            await asyncio.to_thread(stores.redis, "FLUSHALL")
            flushes += 1
            await row.run_for(5.0)

    async def every_flush_is_reported() -> bool:
        return metric(stack, "consumer-1", LOST_STREAMS) - before == flushes

    await until(every_flush_is_reported)
