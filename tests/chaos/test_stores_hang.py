"""Promise: a store that hangs delays a request by no more than its time limit, and costs nothing else."""

import pytest

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import HANG_SECONDS, UnderLoad
from tests.support.faults import hanging


@pytest.mark.parametrize("store", ["redis", "postgres"])
async def test_a_store_that_hangs_costs_nothing(stack: LocalSettings, under_load: UnderLoad, store: str) -> None:
    async with under_load(f"{store.capitalize()} hangs (SIGSTOP {HANG_SECONDS:g} s)") as row:
        while row.has_time_left:
            async with hanging(stack, store):
                await row.run_for(HANG_SECONDS)
            await row.run_for(HANG_SECONDS / 2)
