"""Promise: an answer that was lost with the writer makes no second link when it is asked for again; `max_clicks` is
never exceeded, whoever dies."""

import asyncio
import uuid
from collections import Counter

import aiohttp

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.client import Client
from tests.support.faults import answers_again, is_back, kill
from tests.support.writers import make_for_sure

LIMIT = 300


async def test_repeats_after_a_lost_answer_make_no_second_link(
    client: Client, stack: LocalSettings, under_load: UnderLoad
) -> None:
    titles: list[str] = []

    async def writer() -> None:
        while load.goes_on:
            titles.append(f"only-{uuid.uuid4().hex}")
            await make_for_sure(client, titles[-1])

    async with under_load("`kill -9` the writer every 2 s; repeats by `Idempotency-Key`") as load:
        writing = [asyncio.create_task(writer()) for _ in range(4)]
        while load.goes_on:
            await is_back(stack, "writer-1", kill(stack, "writer-1"))
            await load.pause(2.0)
        await asyncio.gather(*writing)
    made: Counter[str] = Counter()
    path = "/links?q=only-&limit=1000"
    while path:
        page = (await client.call("GET", path)).document
        made.update(link["title"] for link in page["links"])
        path = f"/links?q=only-&limit=1000&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert made == Counter(titles)


async def test_a_limit_of_clicks_is_never_exceeded_whoever_dies(client: Client, stack: LocalSettings) -> None:
    link = await client.make_link(max_clicks=LIMIT)
    statuses: Counter[int] = Counter()

    async def visitor() -> None:
        while statuses[410] < 1:
            try:
                statuses[(await client.follow(link["code"])).status] += 1
            except (OSError, aiohttp.ClientError):
                statuses[0] += 1

    visiting = [asyncio.create_task(visitor()) for _ in range(4)]
    for name in ("resolver-1", "resolver-2", "resolver-3"):
        await is_back(stack, name, kill(stack, name))
        await answers_again(stack, name)
    await asyncio.gather(*visiting)
    assert set(statuses) == {302, 410}
    assert LIMIT * 0.9 < statuses[302] <= LIMIT, "a resolver that died before its answer had taken a permit in vain"
    await client.wait_for_clicks(link["code"], statuses[302])
