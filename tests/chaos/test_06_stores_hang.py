"""Promise: a store that hangs costs no request more than its time limit, and nothing else."""

import pytest

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import HANG_SECONDS, UnderLoad
from tests.support.faults import hanging


@pytest.mark.parametrize("store", ["redis", "postgres"])
async def test_a_store_that_hangs_costs_nothing(stack: LocalSettings, under_load: UnderLoad, store: str) -> None:
    async with under_load(f"{store.capitalize()} hangs (SIGSTOP {HANG_SECONDS:g} s)") as load:
        while load.goes_on:
            async with hanging(stack, store):
                await load.pause(HANG_SECONDS)
            await load.pause(HANG_SECONDS / 2)
