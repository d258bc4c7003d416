"""Promise: a request that a killed writer did not answer can be repeated safely; `max_clicks` is never exceeded."""

import asyncio
import uuid
from collections import Counter

import aiohttp

from deploy.local.settings import LocalSettings
from tests.chaos.conftest import UnderLoad
from tests.support.client import Client
from tests.support.faults import kill, wait_until_listening, wait_until_restarted
from tests.support.writers import create_link_with_retries

LIMIT = 300


async def test_a_repeated_request_creates_no_second_link_when_the_response_was_lost(
    client: Client, stack: LocalSettings, under_load: UnderLoad
) -> None:
    titles: list[str] = []

    async def create_links() -> None:
        while row.has_time_left:
            titles.append(f"only-{uuid.uuid4().hex}")
            await create_link_with_retries(client, titles[-1])

    async with under_load("`kill -9` the writer every 2 s; repeats by `Idempotency-Key`") as row:
        creating = [asyncio.create_task(create_links()) for _ in range(4)]
        while row.has_time_left:
            await wait_until_restarted(stack, "writer-1", kill(stack, "writer-1"))
            await row.run_for(2.0)
        await asyncio.gather(*creating)
    created: Counter[str] = Counter()
    path = "/links?q=only-&limit=1000"
    while path:
        page = (await client.call("GET", path)).document
        created.update(link["title"] for link in page["links"])
        path = f"/links?q=only-&limit=1000&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert created == Counter(titles)


async def test_max_clicks_is_never_exceeded_when_resolvers_are_killed(client: Client, stack: LocalSettings) -> None:
    link = await client.make_link(max_clicks=LIMIT)
    statuses: Counter[int] = Counter()

    async def visitor() -> None:
        while statuses[410] < 1:
            try:
                statuses[(await client.follow(link["code"])).status] += 1
            except (OSError, aiohttp.ClientError):
                statuses[0] += 1

    following = [asyncio.create_task(visitor()) for _ in range(4)]
    for name in ("resolver-1", "resolver-2", "resolver-3"):
        await wait_until_restarted(stack, name, kill(stack, name))
        await wait_until_listening(stack, name)
    await asyncio.gather(*following)
    assert set(statuses) == {302, 410}
    assert LIMIT * 0.9 < statuses[302] <= LIMIT, (
        "too many permits were taken by resolvers that were killed before they responded"
    )
    await client.wait_for_clicks(link["code"], statuses[302])
