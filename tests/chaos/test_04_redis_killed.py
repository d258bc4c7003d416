"""Promise: while Redis is dead, Postgres answers and the spool holds the clicks; what Redis held comes back with it."""

from local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.faults import away


async def test_a_dead_redis_costs_nothing(stack: LocalSettings, under_load: UnderLoad, seconds: float) -> None:
    async with under_load("`kill -9` Redis, away 30 s, back with its AOF") as crowd:
        async with away(stack, "redis"):
            await crowd.pause(min(30.0, seconds * 0.6))
        await crowd.pause(seconds * 0.2)
