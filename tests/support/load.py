"""Visitors who follow a link over and over, and the answers that they really received."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.support.client import Client
from tests.support.waiting import until


@dataclass
class Load:
    """What was received so far: statuses, and the instances that answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    instances: Counter[str] = field(default_factory=Counter)

    async def more(self, count: int, seconds: float = 30.0) -> Counter[str]:
        """Wait for so many more answers; the instances that gave them."""
        before = self.instances.copy()
        wanted = self.statuses.total() + count

        async def so_many_more_answers() -> bool:
            return self.statuses.total() >= wanted

        await until(so_many_more_answers, seconds)
        return self.instances - before


@asynccontextmanager
async def followed(
    client: Client, code: str, *, visitors: int = 8, pause: float = 0.0, keep_alive: bool = True
) -> AsyncIterator[Load]:
    """Follow a link while the block runs. Each visitor waits for its answer, and then for `pause` seconds.

    A visitor who gets no answer at all fails the test.
    """
    headers = {} if keep_alive else {"Connection": "close"}
    load = Load()
    stopping = asyncio.Event()

    async def visitor() -> None:
        while not stopping.is_set():
            answer = await client.follow(code, **headers)
            load.statuses[answer.status] += 1
            load.instances[answer.headers.get("X-Upstream", "")] += 1
            if pause:
                await asyncio.sleep(pause)

    running = [asyncio.create_task(visitor()) for _ in range(visitors)]
    try:
        await load.more(50)
        yield load
        await load.more(50)
    finally:
        stopping.set()
        await asyncio.gather(*running)
