"""Stream → one transaction → acknowledge: every click is counted exactly once in effect, however often it arrives."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.stats.counting.click_stream import Broken, ClickStream, Entry
from services.stats.counting.rollups import click_of, per_bucket
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Click
from shared.postgres.pool import Database
from shared.postgres.tables import clicks
from shared.redis import click_events

log = logging.getLogger(__name__)

MOST: Final = 5_000
"""Clicks in a transaction; an entry alone may hold hundreds, and a batch of entries a hundred thousand."""

LEAST: Final = 50

Arrived = tuple[bytes, Click]
"""An event, and the click that was read from it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of one batch: clicks that were new, clicks that were not (or whose link is purged), broken events."""

    entries: int
    fresh: int
    known: int
    broken: int


class Portion:
    """How many clicks go into one transaction at most.

    Halved after each failure, so that what Postgres cannot do within its time limit is tried in smaller pieces; doubled
    again after each success. Not below `least`: what is too much even then is not a matter of size, and after an outage
    the backlog should not be counted click by click.
    """

    def __init__(self, most: int = MOST, least: int = LEAST) -> None:
        self._most, self._least = most, min(least, most)
        self.size = most

    def failed(self) -> None:
        self.size = max(self._least, self.size // 2)

    def worked(self) -> None:
        self.size = min(self._most, self.size * 2)


async def count_batch(
    database: Database, stream: ClickStream, secret: bytes, portion: Portion | None = None
) -> Counted:
    """Count one batch, a portion a transaction: commit first, acknowledge after.

    Raises StoreUnavailable; then all of it comes again, and what was committed is known by then.
    """
    portion = portion or Portion()
    entries = await stream.read()
    if not entries:
        return Counted(0, 0, 0, 0)
    try:
        arrived, broken = _readable(entries, secret)
        unreadable = len(broken)
        fresh = 0
        for start in range(0, len(arrived), portion.size):
            fresh += await _count(database, arrived[start : start + portion.size], broken)
        await stream.acknowledge(entries, broken)
    except BaseException:
        portion.failed()
        stream.start_over()
        raise
    portion.worked()
    refused = len(broken) - unreadable
    return Counted(len(entries), fresh, len(arrived) - fresh - refused, len(broken))


def _readable(entries: Sequence[Entry], secret: bytes) -> tuple[list[Arrived], list[Broken]]:
    arrived: list[Arrived] = []
    broken: list[Broken] = []
    for entry in entries:
        for event in click_events.split(entry.events) if entry.events else ():
            try:
                arrived.append((event, click_of(click_events.decode(event), secret)))
            except ValueError as fault:
                log.error("an event of entry %s cannot be read: %s", entry.id.decode(), fault)
                broken.append(Broken(event, str(fault)))
    return arrived, broken


async def _count(database: Database, arrived: Sequence[Arrived], broken: list[Broken]) -> int:
    """Count clicks; how many were new. One that the database refuses goes to `broken`, and holds up no other."""
    try:
        return await _commit(database, [click for _, click in arrived])
    except StoreUnavailable:
        raise
    except Exception as fault:
        if len(arrived) == 1:
            log.exception("a click cannot be counted")
            broken.append(Broken(arrived[0][0], f"{type(fault).__name__}: {fault}"))
            return 0
        log.warning("%d clicks cannot be counted as a whole; counting them in halves", len(arrived))
    half = len(arrived) // 2
    return await _count(database, arrived[:half], broken) + await _count(database, arrived[half:], broken)


async def _commit(database: Database, arrived: Sequence[Click]) -> int:
    async with database.transaction() as conn:
        fresh = await clicks.insert_new(conn, arrived)
        if fresh:
            await clicks.add_counts(conn, per_bucket(fresh))
    return len(fresh)
