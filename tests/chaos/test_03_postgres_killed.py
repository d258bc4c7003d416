"""Promise: while Postgres is dead, links in Redis are followed and counted; nothing half done stays."""

from local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.faults import away


async def test_a_dead_postgres_costs_no_redirect_of_links_in_redis(
    stack: LocalSettings, under_load: UnderLoad, seconds: float
) -> None:
    async with under_load("`kill -9` Postgres, away 30 s") as crowd:
        async with away(stack, "postgres"):
            await crowd.pause(min(30.0, seconds * 0.6))
        await crowd.pause(seconds * 0.2)
