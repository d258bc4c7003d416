"""The table of issue and README: what each fault cost, by what a load received and what was counted."""

import asyncio
import re
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from deploy.local.packages import find_servers
from deploy.local.processes import Processes
from deploy.local.settings import LocalSettings
from services.writer.redis_sync.consistency_check import check
from services.writer.settings import RelaySettings
from shared.postgres.pool import connect
from shared.redis.client import redis_client
from shared.redis.route_records import RouteRecords
from tests.support.client import Client
from tests.support.load_generator import LoadGenerator
from tests.support.waiting import until

DRY_SECONDS: Final = 90.0

_HEAD: Final = (
    "while under load",
    "answered",
    "a second",
    "p99 ms",
    "slowest ms",
    "asked again",
    "refused",
    "lost",
    "counted twice",
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one row cost. `reported`: clicks that the system itself says it has lost."""

    row: str
    answered: int
    rate: float
    p99: float
    slowest: float
    refused: Mapping[str, int]
    repeated: int
    lost: int
    twice: int
    reported: float = 0

    def __str__(self) -> str:
        told = f"lost {self.lost} (reported {self.reported:g}), counted twice {self.twice}"
        return f"{self.row}: refused {dict(self.refused)}, {told}"


def table(costs: list[Cost]) -> str:
    """The table, in Markdown."""
    rows = [
        (
            cost.row,
            f"{cost.answered:,}",
            f"{cost.rate:,.0f}",
            f"{cost.p99 * 1000:.0f}",
            f"{cost.slowest * 1000:.0f}",
            str(cost.repeated),
            str(sum(cost.refused.values())) + (f" {dict(cost.refused)}" if cost.refused else ""),
            str(cost.lost) + (f" ({cost.reported:g} reported)" if cost.lost or cost.reported else ""),
            str(cost.twice),
        )
        for cost in costs
    ]
    lines = [_HEAD, ("---",) * len(_HEAD), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


async def counted(client: Client, stack: LocalSettings, codes: list[str]) -> Counter[str]:
    """What /stats says of some links once no spool and no stream holds a click any more."""
    await run_dry(stack)
    return Counter({code: await client.clicks_of(code) for code in codes})


async def run_dry(stack: LocalSettings) -> None:
    """Wait until every click that was answered is counted."""
    processes = Processes(stack, find_servers())
    held = ""

    def look() -> str:
        spools = [str(path.relative_to(stack.state)) for path in (stack.state / "spool").rglob("*.spool")]
        entries = processes.redis("XLEN", "clicks")
        return "" if not spools and entries == "0" else f"spools {spools}, entries in the stream: {entries}"

    async def dry() -> bool:
        nonlocal held
        held = await asyncio.to_thread(look)
        return not held

    try:
        await until(dry, DRY_SECONDS)
    except AssertionError as fault:
        newest = [path.read_text(errors="replace")[-3_000:] for path in sorted(stack.logs.glob("[cr]*.log"))]
        raise AssertionError(f"still held: {held}\n" + "\n".join(newest)) from fault


async def differences(stack: LocalSettings) -> int:
    """How many records in Redis lead elsewhere than their links say."""
    environ = {
        "DATABASE_URL_FILE": str(stack.secrets / "writer_database_url"),
        "REDIS_URL_FILE": str(stack.secrets / "redis_url"),
    }
    settings = RelaySettings.from_env(environ)
    async with connect(settings.database) as database, redis_client(settings.redis) as redis:
        return (await check(database, RouteRecords(redis))).different


def exceptions(stack: LocalSettings) -> list[str]:
    """What the services logged of exceptions that they did not expect."""
    found = []
    for path in stack.logs.glob("*.log"):
        found += [line for line in path.read_text(errors="replace").splitlines() if '"exception": ' in line]
    return found


def reported_losses(stack: LocalSettings) -> float:
    """How many clicks all processes together say are lost."""
    return sum(metric(stack, name, "boltlink_clicks_lost_total") for name in stack.http_ports if "writer" not in name)


def metric(stack: LocalSettings, instance: str, name: str) -> float:
    """A metric of an instance, summed over its labels; 0 where it has none."""
    url = f"http://127.0.0.1:{stack.http_ports[instance]}/metrics"
    with urllib.request.urlopen(url, timeout=5) as answer:
        text = answer.read().decode()
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if re.match(rf"{name}(\{{| )", line))


def cost_of(row: str, load: LoadGenerator, counts: Counter[str], *, reported: float = 0) -> Cost:
    """What a row cost: a link of which less is counted than was answered has lost clicks, one of which more is, has
    counted some twice, unless nobody received the answer to them."""
    received = load.received
    return Cost(
        row=f"{row}; {load.note}" if load.note else row,
        answered=load.answered,
        rate=load.answered / load.seconds,
        p99=received.p99,
        slowest=received.slowest,
        refused=received.refused,
        repeated=received.repeated,
        lost=(received.answered - counts).total(),
        twice=(counts - received.answered - received.unanswered).total(),
        reported=reported,
    )
