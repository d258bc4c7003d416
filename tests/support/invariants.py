"""What each fault cost: what visitors received, compared with what /stats counted, and the table of the results."""

import asyncio
import re
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy.common.names import CLICK_STREAM
from deploy.local.packages import find_servers
from deploy.local.settings import LocalSettings
from deploy.local.stores import LocalStores
from services.writer.redis_sync.consistency_check import check
from services.writer.settings import RelaySettings
from shared.postgres.pool import connect
from shared.redis.client import redis_client
from shared.redis.route_records import RouteRecords
from tests.support.client import Client
from tests.support.load_generator import Load
from tests.support.waiting import until

_COUNTING_TIMEOUT: Final = 90.0

_HEAD: Final = (
    "while under load",
    "redirects",
    "a second",
    "p99 ms",
    "slowest ms",
    "repeated",
    "failed",
    "lost",
    "counted twice",
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one row of the table cost the visitors. Times are in seconds.

    `reported`: clicks that the system itself reports as lost, in `boltlink_clicks_lost_total`.
    """

    row: str
    redirects: int
    rate: float
    p99: float
    slowest: float
    failures: Mapping[str, int]
    repeated: int
    lost: int
    counted_twice: int
    reported: float = 0

    def __str__(self) -> str:
        clicks = f"lost {self.lost} (reported {self.reported:g}), counted twice {self.counted_twice}"
        return f"{self.row}: failures {dict(self.failures)}, {clicks}"


def table(costs: list[Cost]) -> str:
    """The table, in Markdown."""
    rows = [
        (
            cost.row,
            f"{cost.redirects:,}",
            f"{cost.rate:,.0f}",
            f"{cost.p99 * 1000:.0f}",
            f"{cost.slowest * 1000:.0f}",
            str(cost.repeated),
            str(sum(cost.failures.values())) + (f" {dict(cost.failures)}" if cost.failures else ""),
            str(cost.lost) + (f" ({cost.reported:g} reported)" if cost.lost or cost.reported else ""),
            str(cost.counted_twice),
        )
        for cost in costs
    ]
    lines = [_HEAD, ("---",) * len(_HEAD), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cost_of(row: str, load: Load, counts: Counter[str], *, reported: float = 0) -> Cost:
    """What a row cost, from what its visitors received and from the clicks that /stats counted.

    A click is lost where a link has fewer clicks than redirects were received. It was counted twice where a link has
    more clicks than redirects were received, unless the visitor sent a request and got no response to it.
    """
    received = load.received
    return Cost(
        row=row,
        redirects=load.redirects,
        rate=load.redirects / load.seconds,
        p99=received.p99,
        slowest=received.slowest,
        failures=received.failures,
        repeated=received.repeated,
        lost=(received.redirects - counts).total(),
        counted_twice=(counts - received.redirects - received.unanswered).total(),
        reported=reported,
    )


async def count_clicks(client: Client, stack: LocalSettings, codes: list[str]) -> Counter[str]:
    """The clicks that /stats counts for some links, once no spool and no stream holds a click any more."""
    await wait_until_all_are_counted(stack)
    return Counter({code: await client.clicks_of(code) for code in codes})


async def wait_until_all_are_counted(stack: LocalSettings) -> None:
    """Wait until the spools and the stream are empty, so that the click of every answered redirect is counted."""
    stores = LocalStores(stack, find_servers())
    uncounted = ""

    def find_uncounted() -> str:
        spools = [str(path.relative_to(stack.state)) for path in (stack.state / "spool").rglob("*.spool")]
        entries = stores.redis("XLEN", CLICK_STREAM)
        return "" if not spools and entries == "0" else f"spools {spools}, entries in the stream: {entries}"

    async def all_are_counted() -> bool:
        nonlocal uncounted
        uncounted = await asyncio.to_thread(find_uncounted)
        return not uncounted

    try:
        await until(all_are_counted, _COUNTING_TIMEOUT)
    except AssertionError as fault:
        logs = [path.read_text(errors="replace")[-3_000:] for path in sorted(stack.logs.glob("[cr]*.log"))]
        raise AssertionError(f"clicks are not counted yet: {uncounted}\n" + "\n".join(logs)) from fault


async def count_differing_records(stack: LocalSettings) -> int:
    """How many records in Redis differ from their links in Postgres."""
    environ = {
        "DATABASE_URL_FILE": str(stack.secrets / "writer_database_url"),
        "REDIS_URL_FILE": str(stack.secrets / "redis_url"),
    }
    settings = RelaySettings.from_env(environ)
    async with connect(settings.database) as database, redis_client(settings.redis) as redis:
        return (await check(database, RouteRecords(redis))).different


def logged_exceptions(stack: LocalSettings) -> list[str]:
    """The log lines of all services about exceptions that their code did not expect."""
    found = []
    for path in stack.logs.glob("*.log"):
        found += [line for line in path.read_text(errors="replace").splitlines() if '"exception": ' in line]
    return found


def reported_losses(stack: LocalSettings) -> float:
    """How many clicks all processes together report as lost."""
    return sum(metric(stack, name, "boltlink_clicks_lost_total") for name in stack.http_ports if "writer" not in name)


def metric(stack: LocalSettings, instance: str, name: str) -> float:
    """The value of an instance's metric, summed over its labels; 0 if the instance has no such metric."""
    url = f"http://127.0.0.1:{stack.http_ports[instance]}/metrics"
    with urllib.request.urlopen(url, timeout=5) as response:
        text = response.read().decode()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}(\{{| )", line))
