"""Stream → one transaction → acknowledge: every click is counted exactly once in effect, however often it arrives."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.stats.counting.click_stream import ClickStream, DeadLetter, Entry
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
    """What became of one batch: new clicks, clicks known before (or of a purged link), dead letters."""

    entries: int
    fresh: int
    known: int
    dead_letters: int


class AdaptiveBatchSize:
    """How many clicks go into one transaction at most.

    Halved after each failure, so that what Postgres cannot do within its time limit is tried in smaller pieces; doubled
    again after each success. Not below `least`: what is too much even then is not a matter of size, and after an outage
    the backlog should not be counted click by click.
    """

    def __init__(self, most: int = MOST, least: int = LEAST) -> None:
        self._most, self._least = most, min(least, most)
        self.size = most

    def record_failure(self) -> None:
        self.size = max(self._least, self.size // 2)

    def record_success(self) -> None:
        self.size = min(self._most, self.size * 2)


async def count_batch(
    database: Database, stream: ClickStream, secret: bytes, batch_size: AdaptiveBatchSize | None = None
) -> Counted:
    """Count one batch, a batch_size a transaction: commit first, acknowledge after.

    Raises StoreUnavailable; then all of it comes again, and what was committed is known by then.
    """
    batch_size = batch_size or AdaptiveBatchSize()
    entries = await stream.read()
    if not entries:
        return Counted(0, 0, 0, 0)
    try:
        arrived, dead_letters = _readable(entries, secret)
        unreadable = len(dead_letters)
        fresh = 0
        for start in range(0, len(arrived), batch_size.size):
            fresh += await _count(database, arrived[start : start + batch_size.size], dead_letters)
        await stream.acknowledge(entries, dead_letters)
    except BaseException:
        batch_size.record_failure()
        stream.start_over()
        raise
    batch_size.record_success()
    refused = len(dead_letters) - unreadable
    return Counted(len(entries), fresh, len(arrived) - fresh - refused, len(dead_letters))


def _readable(entries: Sequence[Entry], secret: bytes) -> tuple[list[Arrived], list[DeadLetter]]:
    arrived: list[Arrived] = []
    dead_letters: list[DeadLetter] = []
    for entry in entries:
        for event in click_events.split(entry.events) if entry.events else ():
            try:
                arrived.append((event, click_of(click_events.decode(event), secret)))
            except ValueError as fault:
                log.error("an event of entry %s cannot be read: %s", entry.id.decode(), fault)
                dead_letters.append(DeadLetter(event, str(fault)))
    return arrived, dead_letters


async def _count(database: Database, arrived: Sequence[Arrived], dead_letters: list[DeadLetter]) -> int:
    """Count clicks; how many were new. One that the database refuses goes to `dead_letters`, and holds up no other."""
    try:
        return await _commit(database, [click for _, click in arrived])
    except StoreUnavailable:
        raise
    except Exception as fault:
        if len(arrived) == 1:
            log.exception("a click cannot be counted")
            dead_letters.append(DeadLetter(arrived[0][0], f"{type(fault).__name__}: {fault}"))
            return 0
        log.warning("%d clicks cannot be counted as a whole; counting them in halves", len(arrived))
    half = len(arrived) // 2
    return await _count(database, arrived[:half], dead_letters) + await _count(database, arrived[half:], dead_letters)


async def _commit(database: Database, arrived: Sequence[Click]) -> int:
    async with database.transaction() as conn:
        fresh = await clicks.insert_new(conn, arrived)
        if fresh:
            await clicks.add_counts(conn, per_bucket(fresh))
    return len(fresh)
