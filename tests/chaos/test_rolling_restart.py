"""Promise: during rolling restarts of every service and reloads of nginx, no request fails and no click is lost."""

import asyncio

from deploy.local.runtime import restart
from deploy.local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.client import Client
from tests.support.writers import running_writers


async def test_repeated_rolling_restarts_cost_nothing(
    client: Client, stack: LocalSettings, under_load: UnderLoad
) -> None:
    async with (
        under_load("nginx reloads, rolling restart of every service") as row,
        running_writers(client) as statuses,
    ):
        while row.has_time_left:
            await asyncio.to_thread(restart, stack)
    assert set(statuses) == {200, 201}, statuses
