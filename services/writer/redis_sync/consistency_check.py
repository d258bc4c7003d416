"""Compare Redis with Postgres: find every record that differs from its link, and repair it.

A link without a record is fine: records have a lifetime and may be evicted, and then a resolver reads the link from
Postgres. A record that differs from its link is a fault, unless a change is just being published. Therefore a
difference is reported only if it persists.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from shared.domain.codes import LinkName
from shared.domain.models import Link, Route
from shared.postgres.pool import Database
from shared.postgres.tables import links
from shared.redis.route_records import RouteRecords, decode, encode, route_of

Fault = Literal["stale", "ahead", "wrong", "orphan", "unreadable"]
"""The faults of a record: it is older than its link; newer, as after a backup was restored; of the same version but
with other content; live without a link; not written by BoltLink."""

BATCH: Final = 1_000
ATTEMPTS: Final = 3
RETRY_INTERVAL: Final = 0.5
"""Seconds between two looks at a difference: longer than the relay's interval and the writer's timeout for Redis."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One record that differs from its link. `expected`: the route that belongs there; None: no record."""

    name: LinkName
    fault: Fault
    seen: bytes
    expected: Route | None


@dataclass
class Report:
    """The results so far: numbers of compared links and records, links without a record, and records that differ."""

    links: int = 0
    absent: int = 0
    records: int = 0
    differences: list[Difference] = field(default_factory=list)
    """The first `shown` of the records that differ."""
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

    `repair`: remove the records that differ, so that resolvers read from Postgres. The expected record is not
    written, because that would undo a change made since Postgres was read. Raises StoreUnavailable.
    """
    report = Report()

    async def check_batch(names: Sequence[LinkName]) -> None:
        for difference in await _lasting_differences(database, records, names):
            report.different += 1
            if len(report.differences) < shown:
                report.differences.append(difference)
            if repair:
                report.repaired += await records.remove(difference.name, difference.seen)
        progress(report)

    async for batch in _all_links(database):
        names = [link.name for link in batch]
        report.links += len(names)
        report.absent += (await records.get(names)).count(None)
        await check_batch(names)
    async for names in records.scan(BATCH):
        report.records += len(names)
        await check_batch(names)
    return report


async def _all_links(database: Database) -> AsyncIterator[list[Link]]:
    last = 0
    while batch := await links.next_batch(database, last, BATCH):
        yield batch
        last = batch[-1].id


async def _lasting_differences(
    database: Database, records: RouteRecords, names: Sequence[LinkName]
) -> list[Difference]:
    """The differences that persist for some time."""
    found: list[Difference] = []
    for attempt in range(ATTEMPTS):
        if not names:
            break
        if attempt:
            await asyncio.sleep(RETRY_INTERVAL)
        found = await _differences(database, records, names)
        names = [difference.name for difference in found]
    return found


async def _differences(database: Database, records: RouteRecords, names: Sequence[LinkName]) -> list[Difference]:
    if not names:
        return []
    expected = {link.name: route_of(link) for link in await links.get_many(database, names)}
    found = []
    for name, seen in zip(names, await records.get(names), strict=True):
        if seen is not None and (fault := _fault(seen, expected.get(name))):
            found.append(Difference(name, fault, seen, expected.get(name)))
    return found


def _fault(seen: bytes, expected: Route | None) -> Fault | None:
    try:
        route = decode(seen)
    except ValueError:
        return "unreadable"
    if expected is None:
        return "orphan" if route.live else None
    if seen == encode(expected).encode():
        return None
    if route.version == expected.version:
        return "wrong"
    return "stale" if route.version < expected.version else "ahead"
