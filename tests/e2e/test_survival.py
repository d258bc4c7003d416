"""What holds when parts die: redirects go on, and an answered click is counted once.

Each kills processes of the tests' own system, found by their ids, and waits until supervisord has brought them back.
"""

import asyncio
import os
import signal
from collections import Counter

import pytest

from local.runtime import restart
from local.settings import LocalSettings
from local.supervision import Supervisor
from tests.support.client import Client
from tests.support.load import followed
from tests.support.waiting import until


def _pid(settings: LocalSettings, name: str) -> int:
    found = next(process for process in Supervisor(settings).processes() if process.name == name)
    return int(found.description.split()[1].rstrip(",")) if found.state == "RUNNING" else 0


def _kill(settings: LocalSettings, name: str, how: signal.Signals = signal.SIGKILL) -> None:
    """End a program with all its workers, as a machine would: gunicorn's master and its worker share a group."""
    os.killpg(_pid(settings, name), how)


async def _is_back(settings: LocalSettings, name: str, old: int) -> None:
    async def back() -> bool:
        return _pid(settings, name) not in (0, old)

    await until(back, 30)


async def test_resolvers_that_are_killed_cost_no_redirect_and_no_click(client: Client, stack: LocalSettings) -> None:
    link = await client.make_link()
    async with followed(client, link["code"]) as load:
        for name in ("resolver-1", "resolver-2", "resolver-3"):
            old = _pid(stack, name)
            _kill(stack, name)
            await load.more(50)
            await _is_back(stack, name, old)
            await _ready(client, stack, name)
    assert set(load.statuses) == {302}
    await client.wait_for_clicks(link["code"], load.statuses[302])


async def test_a_consumer_that_is_killed_again_and_again_counts_once(client: Client, stack: LocalSettings) -> None:
    link = await client.make_link()
    async with followed(client, link["code"]) as load:
        for _ in range(3):
            old = _pid(stack, "consumer-1")
            _kill(stack, "consumer-1")
            await _is_back(stack, "consumer-1", old)
            await load.more(200)
    assert set(load.statuses) == {302}
    await client.wait_for_clicks(link["code"], load.statuses[302])


async def test_redirects_and_counts_survive_the_death_of_redis(client: Client, stack: LocalSettings) -> None:
    link = await client.make_link()
    async with followed(client, link["code"]) as load:
        Supervisor(stack).stop("redis")
        await load.more(300)
        assert (await client.follow(link["code"], X_Debug="true")).headers["X-Cache"] == "fallback"
        load.statuses[302] += 1
        Supervisor(stack).ensure_started("redis")
        await load.more(300)
    assert set(load.statuses) == {302}
    await client.wait_for_clicks(link["code"], load.statuses[302])


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


async def test_links_in_redis_are_followed_and_counted_while_postgres_is_dead(
    client: Client, stack: LocalSettings
) -> None:
    link = await client.make_link()
    async with followed(client, link["code"]) as load:
        old = _pid(stack, "postgres")
        os.kill(old, signal.SIGKILL)
        await load.more(300)
        await _is_back(stack, "postgres", old)
    assert set(load.statuses) == {302}

    async def answers() -> bool:
        return (await client.call("GET", f"/stats/links/{link['code']}")).status == 200

    await until(answers, 30)
    await client.wait_for_clicks(link["code"], load.statuses[302])


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


async def test_a_rolling_restart_under_load_fails_no_request(client: Client, stack: LocalSettings) -> None:
    link = await client.make_link()
    written: Counter[int] = Counter()
    stopping = asyncio.Event()

    async def author() -> None:
        while not stopping.is_set():
            written[(await client.call("POST", "/links", json={"url": "https://example.com/"})).status] += 1

    authors = [asyncio.create_task(author()) for _ in range(2)]
    async with followed(client, link["code"]) as load:
        await asyncio.to_thread(restart, stack)
    stopping.set()
    await asyncio.gather(*authors)
    assert set(load.statuses) == {302}
    assert set(written) == {201}
    await client.wait_for_clicks(link["code"], load.statuses[302])


@pytest.mark.parametrize("name", ["writer-1", "relay-1", "stats-1", "consumer-1", "nginx"])
async def test_whatever_dies_comes_back(client: Client, stack: LocalSettings, name: str) -> None:
    old = _pid(stack, name)
    _kill(stack, name)
    await _is_back(stack, name, old)

    async def works() -> bool:
        try:
            made = await client.call("POST", "/links", json={"url": "https://example.com/"})
            return made.status == 201 and (await client.call("GET", "/stats/overview")).status == 200
        except OSError:
            return False

    await until(works, 30)


async def _ready(client: Client, stack: LocalSettings, name: str) -> None:
    async def ready() -> bool:
        inner = Client(client._session, f"http://127.0.0.1:{stack.http_ports[name]}", "")
        try:
            return (await inner.ask("GET", "/ready")).status == 200
        except OSError:
            return False

    await until(ready, 30)
