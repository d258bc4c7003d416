"""Clients that create and change links while a test does something else."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.support.client import Client

_LINKS_A_WRITER = 10


@asynccontextmanager
async def running_writers(client: Client, count: int = 2) -> AsyncIterator[Counter[int]]:
    """Let writers create a link, change one of their last ten, and so on, while the block runs.

    Yields how often each status was received; 0 stands for a request without a response.
    """
    statuses: Counter[int] = Counter()
    stopping = asyncio.Event()

    async def write(method: str, path: str, **fields: str) -> str | None:
        try:
            response = await client.call(method, path, json=fields)
        except (OSError, aiohttp.ClientError):
            statuses[0] += 1
            return None
        statuses[response.status] += 1
        return str(response.document["code"]) if response.status == 201 else None

    async def writer() -> None:
        codes: list[str] = []
        while not stopping.is_set():
            if created := await write("POST", "/links", url="https://example.com/"):
                codes = [*codes[-_LINKS_A_WRITER:], created]
            if codes:
                await write("PATCH", f"/links/{codes[0]}", url=f"https://example.com/{uuid.uuid4().hex}")
            await asyncio.sleep(0.05)

    running = [asyncio.create_task(writer()) for _ in range(count)]
    try:
        yield statuses
    finally:
        stopping.set()
        await asyncio.gather(*running)


async def create_link_with_retries(client: Client, title: str) -> None:
    """Create one link: repeat the request with the same `Idempotency-Key` until a response says 201."""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    link = {"url": "https://example.com/", "title": title}
    while True:
        try:
            response = await client.call("POST", "/links", headers=key, json=link)
        except (OSError, aiohttp.ClientError):
            continue
        if response.status == 201:
            return
        assert response.status in (502, 503, 504), response.body
        await asyncio.sleep(0.1)
