"""People who make and change links while something else happens."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from tests.support.client import Client

_LINKS_AN_AUTHOR = 10


@asynccontextmanager
async def writers(client: Client, count: int = 2) -> AsyncIterator[Counter[int]]:
    """Authors who make a link, change one of their last, and so on while the block runs; the statuses they are answered
    with, 0 where there is no answer."""
    statuses: Counter[int] = Counter()
    stopping = asyncio.Event()

    async def write(method: str, path: str, **fields: str) -> str | None:
        try:
            answer = await client.call(method, path, json=fields)
        except (OSError, aiohttp.ClientError):
            statuses[0] += 1
            return None
        statuses[answer.status] += 1
        return str(answer.document["code"]) if answer.status == 201 else None

    async def writer() -> None:
        codes: list[str] = []
        while not stopping.is_set():
            if made := await write("POST", "/links", url="https://example.com/"):
                codes = [*codes[-_LINKS_AN_AUTHOR:], made]
            if codes:
                await write("PATCH", f"/links/{codes[0]}", url=f"https://example.com/{uuid.uuid4().hex}")
            await asyncio.sleep(0.05)

    running = [asyncio.create_task(writer()) for _ in range(count)]
    try:
        yield statuses
    finally:
        stopping.set()
        await asyncio.gather(*running)


async def make_for_sure(client: Client, title: str) -> None:
    """Make one link, and ask again with the same `Idempotency-Key` until there is an answer that says it is made."""
    key = {"Idempotency-Key": uuid.uuid4().hex}
    link = {"url": "https://example.com/", "title": title}
    while True:
        try:
            answer = await client.call("POST", "/links", headers=key, json=link)
        except (OSError, aiohttp.ClientError):
            continue
        if answer.status == 201:
            return
        assert answer.status in (502, 503, 504), answer.body
        await asyncio.sleep(0.1)
