"""Promise: a rolling restart of every service, and a reload of nginx, fail no request and lose no click."""

import asyncio

from deploy.local.runtime import restart
from deploy.local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.client import Client
from tests.support.writers import writers


async def test_restarting_everything_again_and_again_costs_nothing(
    client: Client, stack: LocalSettings, under_load: UnderLoad
) -> None:
    async with under_load("nginx reloads, rolling restart of every service") as load, writers(client) as statuses:
        while load.goes_on:
            await asyncio.to_thread(restart, stack)
    assert set(statuses) == {200, 201}, statuses
