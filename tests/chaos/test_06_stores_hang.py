"""Promise: a store that hangs costs no request more than its time limit, and nothing else."""

import pytest

from local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.faults import hanging


@pytest.mark.parametrize("store", ["redis", "postgres"])
async def test_a_store_that_hangs_costs_nothing(
    stack: LocalSettings, under_load: UnderLoad, seconds: float, store: str
) -> None:
    async with under_load(f"{store.capitalize()} hangs (SIGSTOP 20 s)") as crowd:
        async with hanging(stack, store):
            await crowd.pause(min(20.0, seconds * 0.6))
        await crowd.pause(seconds * 0.2)
