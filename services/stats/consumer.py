"""Stream → one transaction → acknowledge: every click is counted exactly once in effect, however often it arrives."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from services.stats.rollups import click_of, per_bucket
from services.stats.stream import ClickStream, Entry
from shared import click_events
from shared.database import Database
from shared.errors import StoreUnavailable
from shared.models import Click
from shared.repositories import clicks

log = logging.getLogger(__name__)

Arrived = tuple[bytes, Click]
"""An event, and the click that was read from it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of one batch: clicks that were new, clicks that were not (or whose link is purged), broken events."""

    entries: int
    fresh: int
    known: int
    broken: int


async def count_batch(database: Database, stream: ClickStream, secret: bytes) -> Counted:
    """Count one batch: commit first, acknowledge after. Raises StoreUnavailable; then all of it comes again."""
    entries = await stream.read()
    if not entries:
        return Counted(0, 0, 0, 0)
    try:
        arrived, broken = await _readable(stream, entries, secret)
        fresh, refused = await _count(database, stream, arrived)
        await stream.acknowledge(entries)
    except BaseException:
        stream.start_over()
        raise
    return Counted(len(entries), fresh, len(arrived) - fresh - refused, broken + refused)


async def _readable(stream: ClickStream, entries: Sequence[Entry], secret: bytes) -> tuple[list[Arrived], int]:
    arrived = []
    broken = 0
    for entry in entries:
        for event in click_events.split(entry.events) if entry.events else ():
            try:
                arrived.append((event, click_of(click_events.decode(event), secret)))
            except ValueError as fault:
                broken += 1
                log.error("an event of entry %s cannot be read: %s", entry.id.decode(), fault)
                await stream.set_aside(event, str(fault))
    return arrived, broken


async def _count(database: Database, stream: ClickStream, arrived: Sequence[Arrived]) -> tuple[int, int]:
    """Count clicks; how many were new, and how many the database refused. One that it refuses holds up no other."""
    if not arrived:
        return 0, 0
    try:
        return await _commit(database, [click for _, click in arrived]), 0
    except StoreUnavailable:
        raise
    except Exception as fault:
        if len(arrived) == 1:
            log.exception("a click cannot be counted")
            await stream.set_aside(arrived[0][0], f"{type(fault).__name__}: {fault}")
            return 0, 1
        log.warning("a batch cannot be counted as a whole; counting it one by one")
    counted = [await _count(database, stream, [one]) for one in arrived]
    return sum(fresh for fresh, _ in counted), sum(refused for _, refused in counted)


async def _commit(database: Database, arrived: Sequence[Click]) -> int:
    async with database.transaction() as conn:
        fresh = await clicks.insert_new(conn, arrived)
        if fresh:
            await clicks.add_counts(conn, per_bucket(fresh))
    return len(fresh)
