"""Promise: clients that misbehave cost the others nothing: none is refused, and the table shows what they wait.

Time is shown and not asserted: on a busy machine it says more about the neighbours than about us.
"""

import pytest

from deploy.local.packages import find_servers
from deploy.local.postgres import psql
from deploy.local.settings import LocalSettings
from tests.chaos.conftest import LONG, UnderLoad
from tests.support import abusive_clients
from tests.support.abusive_clients import Abuse, disturbed_by

SECONDS = 60.0 if LONG else 8.0

NUISANCES = {
    "300 slow headers": abusive_clients.slow_headers,
    "300 slow bodies": abusive_clients.slow_bodies,
    "10,000 idle connections": abusive_clients.idle_connections,
    "pipelined requests": abusive_clients.pipelining,
    "huge URLs": abusive_clients.huge_urls,
    "500 unknown codes a second": abusive_clients.unknown_codes,
    "300 wrong keys a second": abusive_clients.wrong_keys,
}


async def test_without_bad_clients_this_is_normal(under_load: UnderLoad) -> None:
    async with under_load("nothing: for comparison") as load:
        await load.pause(SECONDS)


@pytest.mark.parametrize(("what", "abuse"), NUISANCES.items(), ids=NUISANCES)
async def test_bad_clients_cost_the_others_nothing(
    stack: LocalSettings, under_load: UnderLoad, what: str, abuse: Abuse
) -> None:
    async with under_load(what) as load, disturbed_by(abuse, stack.base_url):
        before = lookups(stack)
        await load.pause(SECONDS)
        load.note = f"{(lookups(stack) - before) / SECONDS:,.0f} look-ups a second in Postgres"


def lookups(stack: LocalSettings) -> int:
    """How often Postgres has looked into the table of links so far, by its own statistics."""
    statement = "SELECT idx_scan + seq_scan FROM pg_stat_user_tables WHERE relname = 'links'"
    return int(psql(stack, find_servers(), statement))
