"""Redis against Postgres: every record that leads elsewhere than its link, and its repair.

A link without a record is fine: records have a lifetime and may be evicted, and a resolver asks Postgres then. A record
that says something else than Postgres is not, unless a change is just on its way: so what differs is looked at again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from shared.domain.models import Link, Route
from shared.postgres.pool import Database
from shared.postgres.tables import links
from shared.redis.route_records import RouteRecords, decode, encode, route_of

Fault = Literal["stale", "ahead", "wrong", "orphan", "unreadable"]
"""Older than the link; newer than it, as after a restored backup; of its version with another content; a live record
without a link; nothing that we wrote."""

BATCH: Final = 1_000
LOOKS: Final = 3
LOOK_AGAIN_AFTER: Final = 0.5
"""Seconds; longer than the relay's interval and the writer's patience with Redis."""

Name = tuple[str, str]
"""Domain and code."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One record that is not what its link says. `right`: what belongs there; None: nothing."""

    domain: str
    code: str
    fault: Fault
    seen: bytes
    right: Route | None


@dataclass
class Report:
    """What was found so far. `absent`: links without a record."""

    links: int = 0
    absent: int = 0
    records: int = 0
    differences: list[Difference] = field(default_factory=list)
    """The first `shown` of them."""
    different: int = 0
    repaired: int = 0


async def check(
    database: Database,
    records: RouteRecords,
    *,
    repair: bool = False,
    shown: int = 20,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Compare every link with its record and every record with its link, a batch at a time.

    `repair`: remove what is wrong, so that Postgres is asked. What belongs there is not written, for a change that was
    made since it was read would be undone. Raises StoreUnavailable.
    """
    report = Report()

    async def judge(names: Sequence[Name]) -> None:
        for difference in await _lasting(database, records, names):
            report.different += 1
            if len(report.differences) < shown:
                report.differences.append(difference)
            if repair:
                report.repaired += await records.remove(difference.domain, difference.code, difference.seen)
        progress(report)

    async for batch in _all_links(database):
        names = [(link.domain, link.code) for link in batch]
        report.links += len(names)
        report.absent += (await _raw(records, names)).count(None)
        await judge(names)
    async for names in records.scan(BATCH):
        report.records += len(names)
        await judge(names)
    return report


async def _all_links(database: Database) -> AsyncIterator[list[Link]]:
    last = 0
    while batch := await links.next_ones(database, last, BATCH):
        yield batch
        last = batch[-1].id


async def _lasting(database: Database, records: RouteRecords, names: Sequence[Name]) -> list[Difference]:
    """The differences that are still there after a while."""
    found: list[Difference] = []
    for look in range(LOOKS):
        if not names:
            break
        if look:
            await asyncio.sleep(LOOK_AGAIN_AFTER)
        found = await _differences(database, records, names)
        names = [(difference.domain, difference.code) for difference in found]
    return found


async def _differences(database: Database, records: RouteRecords, names: Sequence[Name]) -> list[Difference]:
    right = {(link.domain, link.code): route_of(link) for link in await links.get_many(database, names)}
    found = []
    for name, seen in zip(names, await _raw(records, names), strict=True):
        if seen is not None and (fault := _fault(seen, right.get(name))):
            found.append(Difference(*name, fault, seen, right.get(name)))
    return found


def _fault(seen: bytes, right: Route | None) -> Fault | None:
    try:
        route = decode(seen)
    except ValueError:
        return "unreadable"
    if right is None:
        return "orphan" if route.live else None
    if seen == encode(right).encode():
        return None
    if route.version == right.version:
        return "wrong"
    return "stale" if route.version < right.version else "ahead"


async def _raw(records: RouteRecords, names: Sequence[Name]) -> list[bytes | None]:
    """The records of some codes in their order, whatever their domains."""
    found: dict[Name, bytes | None] = {}
    for domain in {domain for domain, _ in names}:
        codes = [code for of, code in names if of == domain]
        found |= zip(((domain, code) for code in codes), await records.get(domain, codes), strict=True)
    return [found[name] for name in names]
