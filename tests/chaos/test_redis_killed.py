"""Promise: while Redis is down, redirects go on from Postgres and clicks wait in the spool; Redis restores its data."""

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import OUTAGE_SECONDS, UnderLoad
from tests.support.faults import unavailable


async def test_killing_redis_costs_nothing(stack: LocalSettings, under_load: UnderLoad) -> None:
    async with under_load(f"`kill -9` Redis, down {OUTAGE_SECONDS:g} s, back with its AOF") as row:
        while row.has_time_left:
            async with unavailable(stack, "redis"):
                await row.run_for(OUTAGE_SECONDS)
            await row.run_for(OUTAGE_SECONDS / 2)
