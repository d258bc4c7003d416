"""Promise: while Redis is dead, Postgres answers and the spool holds the clicks; what Redis held comes back with it."""

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import AWAY_SECONDS, UnderLoad
from tests.support.faults import away


async def test_a_dead_redis_costs_nothing(stack: LocalSettings, under_load: UnderLoad) -> None:
    async with under_load(f"`kill -9` Redis, away {AWAY_SECONDS:g} s, back with its AOF") as load:
        while load.goes_on:
            async with away(stack, "redis"):
                await load.pause(AWAY_SECONDS)
            await load.pause(AWAY_SECONDS / 2)
