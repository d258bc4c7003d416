"""Promise: whatever happens in whatever order, redirects go on while a store lives, and each answered one counts once.

The seed is in the row's name; CHAOS_SEED=… repeats it.
"""

import os
import random
from contextlib import AsyncExitStack

from deploy.local.settings import LocalSettings
from deploy.local.supervision import Supervisor
from tests.chaos.conftest import UnderLoad
from tests.support.faults import answers_again, away, hanging, is_back, kill
from tests.support.load_generator import LoadGenerator
from tests.support.network import lossy, may_lose_packets

FAULTS = ["killed", "hanging", *(["cut off", "losing packets"] if may_lose_packets() else [])]
RESOLVERS = ("resolver-1", "resolver-2", "resolver-3")


async def test_faults_at_random_cost_nothing(stack: LocalSettings, under_load: UnderLoad) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))  # noqa: S311  # no secret
    chance = random.Random(seed)  # noqa: S311
    async with under_load(f"all at random, seed {seed}") as load:
        while load.goes_on:
            await store_fault(stack, load, chance)
            await load.pause(chance.uniform(1.0, 4.0))


async def store_fault(stack: LocalSettings, load: LoadGenerator, chance: random.Random) -> None:
    """Something happens to one of the stores, or to none, and meanwhile to some of the processes."""
    async with AsyncExitStack() as faults:
        await hurt_a_store(faults, stack, chance)
        for _ in range(chance.randrange(4)):
            await process_fault(stack, chance)
            await load.pause(chance.uniform(0.1, 1.5))


async def hurt_a_store(faults: AsyncExitStack, stack: LocalSettings, chance: random.Random) -> None:
    store, fault = chance.choice(["redis", "postgres", ""]), chance.choice(FAULTS)
    port = stack.redis_port if store == "redis" else stack.postgres_port
    if not store:
        return
    if fault == "killed":
        await faults.enter_async_context(away(stack, store))
    elif fault == "hanging":
        await faults.enter_async_context(hanging(stack, store))
    else:
        faults.enter_context(lossy(port, 1.0 if fault == "cut off" else 0.1))


async def process_fault(stack: LocalSettings, chance: random.Random) -> None:
    """A process is killed, or starts anew. One resolver at a time: another has to live."""
    name = chance.choice([*RESOLVERS, "consumer-1", "relay-1", "writer-1", "stats-1"])
    if chance.random() < 0.3:
        Supervisor(stack).signal(name, "HUP")
    else:
        await is_back(stack, name, kill(stack, name))
        await answers_again(stack, name)
