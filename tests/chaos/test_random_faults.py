"""Promise: whatever fails in whatever order, redirects go on while one store works, and each one is counted once.

The row's name contains the seed; CHAOS_SEED=… repeats the same faults.
"""

import os
import random
from contextlib import AsyncExitStack

from deploy.local.settings import LocalSettings
from deploy.local.supervision import Supervisor
from tests.chaos.conftest import Row, UnderLoad
from tests.support.faults import hanging, kill, unavailable, wait_until_listening, wait_until_restarted
from tests.support.network import can_drop_packets, packet_loss

FAULTS = ["killed", "hanging", *(["cut off", "losing packets"] if can_drop_packets() else [])]
RESOLVERS = ("resolver-1", "resolver-2", "resolver-3")


async def test_random_faults_cost_nothing(stack: LocalSettings, under_load: UnderLoad) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))  # noqa: S311  # no secret
    chance = random.Random(seed)  # noqa: S311
    async with under_load(f"random faults, seed {seed}") as row:
        while row.has_time_left:
            await cause_faults(stack, row, chance)
            await row.run_for(chance.uniform(1.0, 4.0))


async def cause_faults(stack: LocalSettings, row: Row, chance: random.Random) -> None:
    """Cause a fault of one store, or of none, and meanwhile faults of up to three processes."""
    async with AsyncExitStack() as faults:
        await cause_store_fault(faults, stack, chance)
        for _ in range(chance.randrange(4)):
            await cause_process_fault(stack, chance)
            await row.run_for(chance.uniform(0.1, 1.5))


async def cause_store_fault(faults: AsyncExitStack, stack: LocalSettings, chance: random.Random) -> None:
    store, fault = chance.choice(["redis", "postgres", ""]), chance.choice(FAULTS)
    port = stack.redis_port if store == "redis" else stack.postgres_port
    if not store:
        return
    if fault == "killed":
        await faults.enter_async_context(unavailable(stack, store))
    elif fault == "hanging":
        await faults.enter_async_context(hanging(stack, store))
    else:
        faults.enter_context(packet_loss(port, 1.0 if fault == "cut off" else 0.1))


async def cause_process_fault(stack: LocalSettings, chance: random.Random) -> None:
    """Kill or restart one process. Only one resolver at a time, because another one has to be alive."""
    name = chance.choice([*RESOLVERS, "consumer-1", "relay-1", "writer-1", "stats-1"])
    if chance.random() < 0.3:
        Supervisor(stack).signal(name, "HUP")
    else:
        await wait_until_restarted(stack, name, kill(stack, name))
        await wait_until_listening(stack, name)
