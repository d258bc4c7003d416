"""The whole system on ports of its own, under a load, with a part of it dying. At the end: the table with its figures.

A row takes 20 seconds, or ten minutes with LONG=1.
"""

import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import pytest

from deploy.local.settings import CHECKOUT, LocalSettings
from tests.support.client import Client, connected, new_code
from tests.support.invariants import Cost, cost_of, counted, differences, exceptions, reported_losses, table
from tests.support.load_generator import LoadGenerator, visiting
from tests.support.stack import running_stack
from tests.support.writers import writers

LONG: Final = os.environ.get("LONG") == "1"
SECONDS: Final = 600.0 if LONG else 20.0
AWAY_SECONDS: Final = 30.0 if LONG else 10.0
HANG_SECONDS: Final = 20.0 if LONG else 10.0
RATE: Final = 1_200.0
LINKS: Final = 5

COSTS: Final = pytest.StashKey[list[Cost]]()

UnderLoad = Callable[[str], AbstractAsyncContextManager[LoadGenerator]]


@pytest.fixture(scope="session", autouse=True)
def ended_gently() -> None:
    """Let SIGTERM end the tests as Ctrl-C does, so that no process is left behind and no rule of a firewall."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalSettings]:
    """A running system of the tests' own."""
    with running_stack() as settings:
        yield settings


@pytest.fixture
async def client(stack: LocalSettings) -> AsyncIterator[Client]:
    """A client with an admin key."""
    async with connected(stack.base_url, stack.admin_key) as found:
        yield found


@pytest.fixture
def costs(pytestconfig: pytest.Config) -> list[Cost]:
    """What every row has cost so far."""
    return pytestconfig.stash.setdefault(COSTS, [])


@pytest.fixture
def under_load(client: Client, stack: LocalSettings, costs: list[Cost]) -> UnderLoad:
    """A row: a load follows some links, and somebody changes others, while the block runs.

    Then all is counted, and nothing may be missing; and Redis says of every link what Postgres says.
    """

    @asynccontextmanager
    async def row(name: str) -> AsyncIterator[LoadGenerator]:
        targets = await links_to_follow(client)
        async with writers(client, count=1), visiting(stack.base_url, targets, rate=RATE) as load:
            await load.more(LINKS * 100)
            before = reported_losses(stack)
            load.ending = time.monotonic() + SECONDS
            yield load
        counts = await counted(client, stack, list(targets))
        cost = cost_of(name, load, counts, reported=max(0.0, reported_losses(stack) - before))
        costs.append(cost)
        assert not cost.refused, cost
        assert cost.twice == 0, cost
        assert cost.lost <= (load.told_losses and cost.reported), cost
        assert not exceptions(stack), "every fault has to be met by somebody who expects it"
        assert await differences(stack) == 0, "Redis and Postgres have to say the same after every fault"

    return row


async def links_to_follow(client: Client) -> dict[str, str]:
    """Some links, each known to Redis: several, so that a click counted for another link shows."""
    targets = {}
    for _ in range(LINKS):
        code = new_code()
        targets[code] = f"https://example.com/{code}"
        await client.make_link(code=code, url=targets[code])
    return targets


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    costs = config.stash.get(COSTS, [])
    if not costs:
        return
    text = table(costs)
    terminalreporter.write_sep("=", "what each fault cost")
    terminalreporter.write_line(text)
    if LONG:
        path = CHECKOUT / "chaos-figures.md"
        path.write_text(text + "\n", encoding="utf-8")
        terminalreporter.write_line(f"The table is in {path.name} too.")
