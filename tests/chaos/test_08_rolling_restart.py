"""Promise: a rolling restart of every service, and a reload of nginx, fail no request and lose no click."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from local.runtime import restart
from local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.client import Client


async def test_restarting_everything_again_and_again_costs_nothing(
    client: Client, stack: LocalSettings, under_load: UnderLoad
) -> None:
    async with under_load("nginx reloads, rolling restart of every service") as crowd, authors(client) as answers:
        while crowd.goes_on:
            await asyncio.to_thread(restart, stack)
    assert set(answers) == {201}


@asynccontextmanager
async def authors(client: Client) -> AsyncIterator[Counter[int]]:
    """People who make links while the block runs, and the statuses that they are answered with."""
    answers: Counter[int] = Counter()
    stopping = asyncio.Event()

    async def author() -> None:
        while not stopping.is_set():
            answers[(await client.call("POST", "/links", json={"url": "https://example.com/"})).status] += 1
            await asyncio.sleep(0.05)

    running = [asyncio.create_task(author()) for _ in range(2)]
    try:
        yield answers
    finally:
        stopping.set()
        await asyncio.gather(*running)
