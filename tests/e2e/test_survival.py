"""What a client is told while a store is away, and that whatever dies comes back.

What it costs the load of visitors is asked by `tests/chaos/`.
"""

import pytest

from deploy.local.settings import LocalSettings
from deploy.local.supervision import Supervisor
from tests.support.client import Client
from tests.support.faults import is_back, kill
from tests.support.waiting import until


async def test_a_change_made_while_redis_was_away_shows_when_it_is_back(client: Client, stack: LocalSettings) -> None:
    link = await client.make_link(url="https://example.com/before")
    await client.follow(link["code"])
    Supervisor(stack).stop("redis")
    answer = await client.call("PATCH", f"/links/{link['code']}", json={"url": "https://example.com/after"})
    assert answer.status == 200
    assert (await client.follow(link["code"])).headers["Location"] == "https://example.com/after"
    Supervisor(stack).ensure_started("redis")

    async def shows() -> bool:
        answers = [await client.follow(link["code"], X_Debug="true") for _ in range(3)]
        hits = all(answer.headers["X-Cache"] == "hit" for answer in answers)
        return hits and {answer.headers["Location"] for answer in answers} == {"https://example.com/after"}

    await until(shows)


async def test_the_writer_says_503_while_postgres_is_away_and_recovers(client: Client, stack: LocalSettings) -> None:
    Supervisor(stack).stop("postgres")
    answer = await client.call("POST", "/links", json={"url": "https://example.com/"})
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    people = await client.follow("never-heard-of", Accept="text/html")
    assert people.status == 503
    assert "Back in a moment" in people.body.decode()
    Supervisor(stack).ensure_started("postgres")

    async def recovered() -> bool:
        return (await client.call("POST", "/links", json={"url": "https://example.com/"})).status == 201

    await until(recovered, 30)


@pytest.mark.parametrize("name", ["writer-1", "relay-1", "stats-1", "consumer-1", "nginx"])
async def test_whatever_dies_comes_back(client: Client, stack: LocalSettings, name: str) -> None:
    await is_back(stack, name, kill(stack, name))

    async def works() -> bool:
        try:
            made = await client.call("POST", "/links", json={"url": "https://example.com/"})
            return made.status == 201 and (await client.call("GET", "/stats/overview")).status == 200
        except OSError:
            return False

    await until(works, 30)
