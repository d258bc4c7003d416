"""Promise: abusive clients make no request of other clients fail; the table shows how long the others wait.

The test asserts no response time: on a busy machine it depends more on other programs than on BoltLink.
"""

import pytest

from deploy.local.packages import find_servers
from deploy.local.postgres import psql
from deploy.local.settings import LocalSettings
from tests.chaos.conftest import LONG, UnderLoad
from tests.support import abusive_clients
from tests.support.abusive_clients import Abuse, disturbed_by

SECONDS = 60.0 if LONG else 8.0

ABUSES = {
    "300 slow headers": abusive_clients.slow_headers,
    "300 slow bodies": abusive_clients.slow_bodies,
    "10,000 idle connections": abusive_clients.idle_connections,
    "pipelined requests": abusive_clients.pipelining,
    "huge URLs": abusive_clients.huge_urls,
    "500 unknown codes a second": abusive_clients.unknown_codes,
    "300 wrong keys a second": abusive_clients.wrong_keys,
}


async def test_without_abusive_clients_nothing_fails(under_load: UnderLoad) -> None:
    async with under_load("nothing, for comparison") as row:
        await row.run_for(SECONDS)


@pytest.mark.parametrize(("name", "abuse"), ABUSES.items(), ids=ABUSES)
async def test_abusive_clients_cost_other_clients_nothing(
    stack: LocalSettings, under_load: UnderLoad, name: str, abuse: Abuse
) -> None:
    async with under_load(name) as row, disturbed_by(abuse, stack.base_url):
        before = count_lookups(stack)
        await row.run_for(SECONDS)
        row.note = f"{(count_lookups(stack) - before) / SECONDS:,.0f} lookups a second in Postgres"


def count_lookups(stack: LocalSettings) -> int:
    """How often Postgres has read the table of links so far, by its own statistics."""
    statement = "SELECT idx_scan + seq_scan FROM pg_stat_user_tables WHERE relname = 'links'"
    return int(psql(stack, find_servers(), statement))
