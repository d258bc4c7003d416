"""Promise: a Redis that comes back empty costs no redirect, and only the clicks that the stream held; that is told."""

import asyncio

from local.packages import find_servers
from local.processes import Processes
from local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.promises import metric
from tests.support.waiting import until

COUNT_AND_FLUSH = """
local clicks = 0
for _, entry in ipairs(redis.call('XRANGE', 'clicks', '-', '+')) do
  local _, more = entry[2][2]:gsub('\\30', '')
  clicks = clicks + more + 1
end
redis.call('FLUSHALL')
return clicks
"""


async def test_a_flushed_redis_loses_only_what_the_stream_held(stack: LocalSettings, under_load: UnderLoad) -> None:
    processes = Processes(stack, find_servers())
    before = metric(stack, "consumer-1", "boltlink_streams_lost_total")
    flushes = 0
    async with under_load("Redis comes back empty (flushed)") as crowd:
        while crowd.goes_on:
            crowd.destroyed += int(await asyncio.to_thread(processes.redis, "EVAL", COUNT_AND_FLUSH, "0"))
            flushes += 1
            await crowd.pause(5.0)

    async def told() -> bool:
        return metric(stack, "consumer-1", "boltlink_streams_lost_total") - before == flushes

    await until(told)
