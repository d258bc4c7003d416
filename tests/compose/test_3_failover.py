"""Containers are stopped, killed, replaced and restarted under a load of a few hundred requests a second.

No request fails meanwhile, and every redirect that a client received is counted once.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import aiohttp
import pytest

from deploy.common.checkout import CHECKOUT
from deploy.common.console import run
from tests.support.client import Client, connected
from tests.support.containers import IMAGE_TAG, NETWORK, System, docker, inspect
from tests.support.load_generator import Load, generate_load
from tests.support.waiting import until

OCCUPANT = "test-boltlink-occupant"


@asynccontextmanager
async def _nothing_fails(client: Client, *, keep_alive: bool = True) -> AsyncIterator[Load]:
    """Follow a link while the block runs; afterwards every response was a redirect, and each one is counted."""
    link = await client.make_link()
    targets = {link["code"]: link["url"]}
    async with generate_load(client.base_url, targets, rate=300, visitors=8, keep_alive=keep_alive) as load:
        await load.wait_for_redirects(50)
        yield load
        await load.wait_for_redirects(50)
    assert not load.received.failures
    await client.wait_for_clicks(link["code"], load.redirects, seconds=60)


async def _share_evenly(client: Client) -> None:
    """Wait until nginx asks the three resolvers in turn again."""

    async def three_resolvers_take_turns() -> bool:
        responses = [await client.request("GET", "/health") for _ in range(9)]
        return Counter(response.headers["X-Upstream"] for response in responses) == {
            "resolver-1": 3,
            "resolver-2": 3,
            "resolver-3": 3,
        }

    await until(three_resolvers_take_turns, 30)


async def _compose(system: System, *words: str) -> None:
    await asyncio.to_thread(system.compose, *words)


async def _healthy(name: str, *, restarts: int) -> None:
    """Wait until a container is healthy and has been restarted `restarts` times."""

    async def healthy() -> bool:
        found = await asyncio.to_thread(inspect, f"boltlink-{name}")
        return bool(found["RestartCount"] >= restarts and found["State"]["Health"]["Status"] == "healthy")

    await until(healthy, 60)


async def _apis_respond(client: Client) -> None:
    """Wait until writer and stats respond, with their stores available."""

    async def both_respond() -> bool:
        responses = [await client.call("GET", path) for path in ("/links?limit=1", "/stats/overview")]
        return {response.status for response in responses} == {200}

    await until(both_respond, 30)


@pytest.mark.parametrize("stopped", [["resolver1"], ["resolver2", "resolver3"]])
async def test_no_request_fails_when_resolvers_stop_and_they_get_requests_again_after_their_start(
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
    """Wait until all three resolvers respond to requests."""

    async def all_three_respond() -> bool:
        return len(await load.wait_for_redirects(60)) == 3

    await until(all_three_respond, 30)


@contextmanager
def _occupied(address: str) -> Iterator[None]:
    """Another container occupies an address of the network."""
    words = ("run", "-d", "--rm", "--init", "--name", OCCUPANT, "--network", NETWORK, "--ip", address)
    docker(*words, f"boltlink-resolver:{IMAGE_TAG}", "sleep", "600")
    try:
        yield
    finally:
        docker("rm", "-f", OCCUPANT)


async def test_a_container_that_is_replaced_is_found_at_its_new_address(system: System, client: Client) -> None:
    # nginx reloads for a new address, which closes idle connections. A client that is sending a request on one must
    # repeat it (RFC 9112, 9.3.1); so this client opens a new connection for each request.
    async with _nothing_fails(client, keep_alive=False) as load:
        old = system.address("resolver2")
        await _compose(system, "rm", "-sf", "resolver2")
        with _occupied(old):
            await _compose(system, "up", "-d", "--no-deps", "--wait", "resolver2")
            assert system.address("resolver2") != old
            await _alternate(load)
            await _share_evenly(client)


async def _kill(name: str) -> None:
    """Kill all processes of a container except the first, which cannot be killed from inside; it ends after them."""
    await asyncio.to_thread(docker, "exec", "-d", f"boltlink-{name}", "sh", "-c", "kill -9 -1")


async def _responds_again(system: System, name: str, *, restarts: int) -> None:
    """Wait until a container that has been restarted `restarts` times responds, even if Docker does not know it yet."""

    async def responds() -> bool:
        if (await asyncio.to_thread(inspect, f"boltlink-{name}"))["RestartCount"] < restarts:
            return False
        try:
            async with connected(f"http://{await asyncio.to_thread(system.address, name)}:8000", "") as resolver:
                return (await resolver.request("GET", "/ready")).status == 200
        except aiohttp.ClientError:
            return False

    await until(responds, 60)


async def test_nginx_asks_a_resolver_that_has_just_restarted_when_the_last_other_one_dies(
    system: System, client: Client
) -> None:
    names = ("resolver1", "resolver2", "resolver3")
    restarts = {name: inspect(f"boltlink-{name}")["RestartCount"] + 1 for name in names}
    async with _nothing_fails(client) as load:
        await _kill("resolver1")
        await _kill("resolver2")
        await _responds_again(system, "resolver1", restarts=restarts["resolver1"])
        await _kill("resolver3")
        await load.wait_for_redirects(300)
        for name in names:
            await _healthy(name, restarts=restarts[name])
    await _share_evenly(client)


@pytest.mark.parametrize("name", ["resolver3", "relay", "consumer", "redis", "postgres"])
async def test_a_killed_container_restarts_and_no_redirect_fails(client: Client, name: str) -> None:
    restarts = inspect(f"boltlink-{name}")["RestartCount"]
    async with _nothing_fails(client) as load:
        await _kill(name)
        await load.wait_for_redirects(300)
        await _healthy(name, restarts=restarts + 1)
        await load.wait_for_redirects(100)
        await _apis_respond(client)
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
