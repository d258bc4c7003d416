"""Promise: while Postgres is down, redirects of links in Redis go on and are counted; no change is left half done."""

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import OUTAGE_SECONDS, UnderLoad
from tests.support.faults import unavailable


async def test_killing_postgres_costs_nothing_for_links_in_redis(stack: LocalSettings, under_load: UnderLoad) -> None:
    async with under_load(f"`kill -9` Postgres, down {OUTAGE_SECONDS:g} s") as row:
        while row.has_time_left:
            async with unavailable(stack, "postgres"):
                await row.run_for(OUTAGE_SECONDS)
            await row.run_for(OUTAGE_SECONDS / 2)
