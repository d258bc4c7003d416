"""The whole system on ports of its own, under a load, while one part of it fails. A table at the end shows the costs.

Each row of the table takes 20 seconds, or ten minutes with LONG=1.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from deploy.common.checkout import CHECKOUT
from deploy.local.settings import LocalSettings
from tests.support.client import Client, connected, new_code
from tests.support.invariants import (
    Cost,
    cost_of,
    count_clicks,
    count_differing_records,
    logged_exceptions,
    reported_losses,
    table,
)
from tests.support.load_generator import generate_load
from tests.support.stack import running_stack
from tests.support.writers import running_writers

LONG: Final = os.environ.get("LONG") == "1"
SECONDS: Final = 600.0 if LONG else 20.0
"""How long the faults of a row go on."""
OUTAGE_SECONDS: Final = 30.0 if LONG else 10.0
HANG_SECONDS: Final = 20.0 if LONG else 10.0
RATE: Final = 1_200.0
LINKS: Final = 5

COSTS: Final = pytest.StashKey[list[Cost]]()


@dataclass
class Row:
    """One row of the table: a kind of fault that a test causes again and again while a load follows links."""

    name: str
    deadline: float
    """Until when the test causes faults, on the monotonic clock."""
    note: str = ""
    """What the table says about the row besides its name."""
    allows_reported_losses: bool = False
    """Whether clicks may be lost as long as the system itself reports each of them."""

    @property
    def has_time_left(self) -> bool:
        return time.monotonic() < self.deadline

    async def run_for(self, seconds: float) -> None:
        """Let the load run for some seconds: the length of a fault, or of the pause after it, is part of the row."""
        await asyncio.sleep(seconds)


UnderLoad = Callable[[str], AbstractAsyncContextManager[Row]]


@pytest.fixture(scope="session", autouse=True)
def clean_up_after_sigterm() -> None:
    """Let SIGTERM end the tests like Ctrl-C, so that no process and no firewall rule is left behind."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalSettings]:
    """A running system that belongs to these tests alone."""
    with running_stack() as settings:
        yield settings


@pytest.fixture
async def client(stack: LocalSettings) -> AsyncIterator[Client]:
    """A client with an admin key."""
    async with connected(stack.base_url, stack.admin_key) as found:
        yield found


@pytest.fixture
def costs(pytestconfig: pytest.Config) -> list[Cost]:
    """The costs of the rows that have ended so far."""
    return pytestconfig.stash.setdefault(COSTS, [])


@pytest.fixture
def under_load(client: Client, stack: LocalSettings, costs: list[Cost]) -> UnderLoad:
    """Run a row: while the block runs, a load follows some links and a writer changes others.

    After the block every redirect that was received must be counted exactly once, and the records in Redis must match
    the links in Postgres.
    """

    @asynccontextmanager
    async def run_row(name: str) -> AsyncIterator[Row]:
        targets = await create_links(client)
        async with running_writers(client, count=1), generate_load(stack.base_url, targets, rate=RATE) as load:
            await load.wait_for_redirects(LINKS * 100)
            before = reported_losses(stack)
            row = Row(name, deadline=time.monotonic() + SECONDS)
            yield row
        counts = await count_clicks(client, stack, list(targets))
        full_name = f"{row.name}; {row.note}" if row.note else row.name
        cost = cost_of(full_name, load, counts, reported=max(0.0, reported_losses(stack) - before))
        costs.append(cost)
        assert not cost.failures, cost
        assert cost.counted_twice == 0, cost
        assert cost.lost <= (cost.reported if row.allows_reported_losses else 0), cost
        assert not logged_exceptions(stack), "a service logged an exception that its code does not expect"
        assert await count_differing_records(stack) == 0, "records in Redis differ from the links in Postgres"

    return run_row


async def create_links(client: Client) -> dict[str, str]:
    """Create the links that the load follows: several, so that a click that is counted for a wrong link shows."""
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
        terminalreporter.write_line(f"The table was also written to {path.name}.")
