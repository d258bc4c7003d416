"""Promise: a resolver that is killed costs no redirect, loses no click and counts none twice."""

import itertools

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.faults import is_back, kill


async def test_killing_one_resolver_after_another_costs_nothing(stack: LocalSettings, under_load: UnderLoad) -> None:
    async with under_load("`kill -9` one resolver, then another, every 5 s") as load:
        for number in itertools.cycle((1, 2, 3)):
            if not load.goes_on:
                break
            name = f"resolver-{number}"
            await is_back(stack, name, kill(stack, name))
            await load.pause(5.0)
