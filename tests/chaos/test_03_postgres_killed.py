"""Promise: while Postgres is dead, links in Redis are followed and counted; nothing half done stays."""

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import AWAY_SECONDS, UnderLoad
from tests.support.faults import away


async def test_a_dead_postgres_costs_no_redirect_of_links_in_redis(stack: LocalSettings, under_load: UnderLoad) -> None:
    async with under_load(f"`kill -9` Postgres, away {AWAY_SECONDS:g} s") as load:
        while load.goes_on:
            async with away(stack, "postgres"):
                await load.pause(AWAY_SECONDS)
            await load.pause(AWAY_SECONDS / 2)
