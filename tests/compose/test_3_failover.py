"""Containers stop, die, are replaced and restarted while a few hundred requests a second are under way.

No request fails meanwhile, and every redirect that a client received is counted once.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import pytest

from deploy.local.console import run
from deploy.local.settings import CHECKOUT
from tests.support.client import Client, connected
from tests.support.containers import IMAGE_TAG, NETWORK, System, docker, inspect
from tests.support.load_generator import Load, generate_load
from tests.support.waiting import until

SQUATTER = "test-boltlink-squatter"


@asynccontextmanager
async def _nothing_fails(client: Client, *, keep_alive: bool = True) -> AsyncIterator[Load]:
    """A link is followed while the block runs. Then nothing but redirects was received, and each is counted."""
    link = await client.make_link()
    targets = {link["code"]: link["url"]}
    async with generate_load(client.base_url, targets, rate=300, visitors=8, keep_alive=keep_alive) as load:
        await load.wait_for_redirects(50)
        yield load
        await load.wait_for_redirects(50)
    assert not load.received.failures
    await client.wait_for_clicks(link["code"], load.redirects, seconds=60)


async def _share_evenly(client: Client) -> None:
    """Wait until three resolvers take turns again."""

    async def three_resolvers_take_turns() -> bool:
        answers = [await client.request("GET", "/health") for _ in range(9)]
        return Counter(answer.headers["X-Upstream"] for answer in answers) == {
            "resolver-1": 3,
            "resolver-2": 3,
            "resolver-3": 3,
        }

    await until(three_resolvers_take_turns, 30)


async def _compose(system: System, *words: str) -> None:
    await asyncio.to_thread(system.compose, *words)


async def _healthy(name: str, *, restarts: int) -> None:
    """Wait until a container is well, and has been restarted so often."""

    async def healthy() -> bool:
        found = await asyncio.to_thread(inspect, f"boltlink-{name}")
        return bool(found["RestartCount"] >= restarts and found["State"]["Health"]["Status"] == "healthy")

    await until(healthy, 60)


async def _apis_answer(client: Client) -> None:
    """Wait until writer and stats have found their store again."""

    async def both_answer() -> bool:
        answers = [await client.call("GET", path) for path in ("/links?limit=1", "/stats/overview")]
        return {answer.status for answer in answers} == {200}

    await until(both_answer, 30)


@pytest.mark.parametrize("stopped", [["resolver1"], ["resolver2", "resolver3"]])
async def test_stopped_resolvers_cost_no_request_and_take_their_share_when_they_are_back(
    system: System, client: Client, stopped: list[str]
) -> None:
    left = {"resolver-1", "resolver-2", "resolver-3"} - {name.replace("resolver", "resolver-") for name in stopped}
    async with _nothing_fails(client) as load:
        await _compose(system, "stop", *stopped)
        assert set(await load.wait_for_redirects(300)) == left
        await _compose(system, "up", "-d", "--no-deps", "--wait", *stopped)
        await _alternate(load)
    await _share_evenly(client)


async def _alternate(load: Load) -> None:
    """Wait until visitors meet all three."""

    async def all_three_answer() -> bool:
        return len(await load.wait_for_redirects(60)) == 3

    await until(all_three_answer, 30)


@contextmanager
def _taken(address: str) -> Iterator[None]:
    """Somebody else has an address of the network."""
    words = ("run", "-d", "--rm", "--init", "--name", SQUATTER, "--network", NETWORK, "--ip", address)
    docker(*words, f"boltlink-resolver:{IMAGE_TAG}", "sleep", "600")
    try:
        yield
    finally:
        docker("rm", "-f", SQUATTER)


async def test_a_container_that_is_replaced_is_found_at_its_new_address(system: System, client: Client) -> None:
    # nginx reloads for a new address. That ends idle connections, and whoever is just using one tries again (RFC 9112,
    # 9.3.1); so these visitors take a connection of their own for each request.
    async with _nothing_fails(client, keep_alive=False) as load:
        old = system.address("resolver2")
        await _compose(system, "rm", "-sf", "resolver2")
        with _taken(old):
            await _compose(system, "up", "-d", "--no-deps", "--wait", "resolver2")
            assert system.address("resolver2") != old
            await _alternate(load)
            await _share_evenly(client)


async def _kill(name: str) -> None:
    """End all processes of a container but its first, which no kill from within can reach; it ends with its child."""
    await asyncio.to_thread(docker, "exec", "-d", f"boltlink-{name}", "sh", "-c", "kill -9 -1")


async def _answers_again(system: System, name: str, *, restarts: int) -> None:
    """Wait until a container that has been restarted so often answers; Docker may not have noticed yet."""

    async def answers() -> bool:
        if (await asyncio.to_thread(inspect, f"boltlink-{name}"))["RestartCount"] < restarts:
            return False
        try:
            async with connected(f"http://{await asyncio.to_thread(system.address, name)}:8000", "") as resolver:
                return (await resolver.request("GET", "/ready")).status == 200
        except aiohttp.ClientError:
            return False

    await until(answers, 60)


async def test_a_resolver_that_is_just_back_is_asked_when_the_last_one_dies(system: System, client: Client) -> None:
    names = ("resolver1", "resolver2", "resolver3")
    restarts = {name: inspect(f"boltlink-{name}")["RestartCount"] + 1 for name in names}
    async with _nothing_fails(client) as load:
        await _kill("resolver1")
        await _kill("resolver2")
        await _answers_again(system, "resolver1", restarts=restarts["resolver1"])
        await _kill("resolver3")
        await load.wait_for_redirects(300)
        for name in names:
            await _healthy(name, restarts=restarts[name])
    await _share_evenly(client)


@pytest.mark.parametrize("name", ["resolver3", "relay", "consumer", "redis", "postgres"])
async def test_a_container_that_is_killed_comes_back_and_costs_no_redirect(client: Client, name: str) -> None:
    restarts = inspect(f"boltlink-{name}")["RestartCount"]
    async with _nothing_fails(client) as load:
        await _kill(name)
        await load.wait_for_redirects(300)
        await _healthy(name, restarts=restarts + 1)
        await load.wait_for_redirects(100)
        await _apis_answer(client)
    await _share_evenly(client)


async def test_a_rolling_restart_fails_no_request(client: Client) -> None:
    written: Counter[int] = Counter()
    stopping = asyncio.Event()

    async def writer() -> None:
        while not stopping.is_set():
            written[(await client.call("POST", "/links", json={"url": "https://example.com/"})).status] += 1
            await asyncio.sleep(0.05)

    writers = [asyncio.create_task(writer()) for _ in range(2)]
    try:
        async with _nothing_fails(client):
            await asyncio.to_thread(
                run, [sys.executable, "-m", "deploy.compose", "restart"], what="make restart", cwd=CHECKOUT
            )
    finally:
        stopping.set()
        await asyncio.gather(*writers)
    assert set(written) == {201}
