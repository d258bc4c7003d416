"""Promise: when a resolver is killed, no redirect fails, and no click is lost or counted twice."""

import itertools

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.faults import kill, wait_until_restarted


async def test_killing_one_resolver_after_another_costs_nothing(stack: LocalSettings, under_load: UnderLoad) -> None:
    async with under_load("`kill -9` one resolver, then another, every 5 s") as row:
        for number in itertools.cycle((1, 2, 3)):
            if not row.has_time_left:
                break
            name = f"resolver-{number}"
            await wait_until_restarted(stack, name, kill(stack, name))
            await row.run_for(5.0)
