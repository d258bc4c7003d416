"""Count clicks: read stream entries, commit their clicks in PostgreSQL, then acknowledge the entries.

An event may be delivered more than once; its click is counted exactly once, because PostgreSQL knows the ids of the
clicks that were counted before.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from services.stats.counting.batch_size import AdaptiveBatchSize
from services.stats.counting.rollups import click_of, per_bucket
from services.stats.counting.stream_reader import DeadLetter, Entry, StreamReader
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Click
from shared.postgres.pool import Database
from shared.postgres.tables import clicks
from shared.redis import click_events

log = logging.getLogger(__name__)

DecodedEvent = tuple[bytes, Click]
"""An event as it is in the stream, and the click that was decoded from it."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What happened to the clicks of one batch.

    `counted`: clicks that were counted now. `skipped`: clicks that had been counted before, or whose link is purged.
    `dead_letters`: events that could not be counted and were moved to the dead-letter stream.
    """

    entries: int
    counted: int
    skipped: int
    dead_letters: int


async def count_batch(
    database: Database, stream: StreamReader, secret: bytes, batch_size: AdaptiveBatchSize | None = None
) -> BatchResult:
    """Count the clicks of one read, in transactions of at most `batch_size` clicks, then acknowledge the entries.

    Raises StoreUnavailable. The next read then returns the same entries, and clicks that were committed are skipped.
    """
    batch_size = batch_size or AdaptiveBatchSize()
    entries = await stream.read()
    if not entries:
        return BatchResult(0, 0, 0, 0)
    try:
        decoded, dead_letters = _decode(entries, secret)
        undecodable = len(dead_letters)
        counted = 0
        for start in range(0, len(decoded), batch_size.size):
            counted += await _count(database, decoded[start : start + batch_size.size], dead_letters)
        stored = await stream.acknowledge(entries, dead_letters)
    except BaseException:
        batch_size.record_failure()
        stream.reread_pending()
        raise
    batch_size.record_success()
    refused = len(dead_letters) - undecodable
    skipped = len(decoded) - counted - refused
    if not stored:
        return BatchResult(len(entries), counted, skipped, 0)
    for dead_letter in dead_letters:
        log.error("an event cannot be counted and is a dead letter now: %s", dead_letter.reason)
    return BatchResult(len(entries), counted, skipped, len(dead_letters))


def _decode(entries: Sequence[Entry], secret: bytes) -> tuple[list[DecodedEvent], list[DeadLetter]]:
    """The clicks of all events, and a dead letter for each event that cannot be decoded, whatever the error is.

    An error that was raised instead would have the same entries read again and again.
    """
    decoded: list[DecodedEvent] = []
    dead_letters: list[DeadLetter] = []
    for entry in entries:
        for event in click_events.split(entry.events) if entry.events else ():
            try:
                decoded.append((event, click_of(click_events.decode(event), secret)))
            except ValueError as fault:
                dead_letters.append(DeadLetter(event, str(fault)))
            except Exception as fault:
                log.exception("an event of stream entry %s cannot be decoded", entry.id.decode())
                dead_letters.append(DeadLetter(event, f"{type(fault).__name__}: {fault}"))
    return decoded, dead_letters


async def _count(database: Database, decoded: Sequence[DecodedEvent], dead_letters: list[DeadLetter]) -> int:
    """Count clicks and return how many were new. A click that PostgreSQL refuses is added to `dead_letters`."""
    try:
        return await _commit(database, [click for _, click in decoded])
    except StoreUnavailable:
        raise
    except Exception as fault:
        if len(decoded) == 1:
            log.exception("a click cannot be counted")
            dead_letters.append(DeadLetter(decoded[0][0], f"{type(fault).__name__}: {fault}"))
            return 0
        log.warning("%d clicks cannot be counted in one transaction; they are tried in halves", len(decoded))
    half = len(decoded) // 2
    return await _count(database, decoded[:half], dead_letters) + await _count(database, decoded[half:], dead_letters)


async def _commit(database: Database, batch: Sequence[Click]) -> int:
    async with database.transaction() as conn:
        new_clicks = await clicks.insert_new(conn, batch)
        if new_clicks:
            await clicks.add_counts(conn, per_bucket(new_clicks))
    return len(new_clicks)
