"""What a client receives while a store is unavailable, and that every killed process is started again.

`tests/chaos/` measures what such faults cost under load.
"""

import pytest

from deploy.local.settings import LocalSettings
from deploy.local.supervision import Supervisor
from tests.support.client import Client
from tests.support.faults import kill, wait_until_restarted
from tests.support.waiting import until


async def test_a_change_made_while_redis_is_unavailable_is_in_redis_after_its_return(
    client: Client, stack: LocalSettings
) -> None:
    link = await client.make_link(url="https://example.com/before")
    await client.follow(link["code"])
    Supervisor(stack).stop("redis")
    response = await client.call("PATCH", f"/links/{link['code']}", json={"url": "https://example.com/after"})
    assert response.status == 200
    assert (await client.follow(link["code"])).headers["Location"] == "https://example.com/after"
    Supervisor(stack).ensure_started("redis")

    async def redis_has_the_change() -> bool:
        responses = [await client.follow(link["code"], X_Debug="true") for _ in range(3)]
        hits = all(response.headers["X-Cache"] == "hit" for response in responses)
        return hits and {response.headers["Location"] for response in responses} == {"https://example.com/after"}

    await until(redis_has_the_change)


async def test_the_writer_answers_503_while_postgres_is_unavailable_and_recovers(
    client: Client, stack: LocalSettings
) -> None:
    Supervisor(stack).stop("postgres")
    response = await client.call("POST", "/links", json={"url": "https://example.com/"})
    assert response.status == 503
    assert int(response.headers["Retry-After"]) > 0
    page = await client.follow("never-heard-of", Accept="text/html")
    assert page.status == 503
    assert "Back in a moment" in page.body.decode()
    Supervisor(stack).ensure_started("postgres")

    async def recovered() -> bool:
        return (await client.call("POST", "/links", json={"url": "https://example.com/"})).status == 201

    await until(recovered, 30)


@pytest.mark.parametrize("name", ["writer-1", "relay-1", "stats-1", "consumer-1", "nginx"])
async def test_a_killed_process_is_started_again(client: Client, stack: LocalSettings, name: str) -> None:
    await wait_until_restarted(stack, name, kill(stack, name))

    async def works() -> bool:
        try:
            created = await client.call("POST", "/links", json={"url": "https://example.com/"})
            return created.status == 201 and (await client.call("GET", "/stats/overview")).status == 200
        except OSError:
            return False

    await until(works, 30)
