"""Counts → what a page draws: series without gaps, shares, totals."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from shared.domain.codes import in_default_domain, is_code
from shared.domain.dimensions import ClickFilter
from shared.domain.errors import InvalidInput, LinkNotFound
from shared.postgres.pool import Database
from shared.postgres.tables import links, reports

MAX_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """Clicks from `start` to the start of the next bucket."""

    start: datetime
    clicks: int


async def for_link(database: Database, code: str, wanted: ClickFilter) -> ClickFilter:
    """The filter for one link's clicks. Raises LinkNotFound."""
    link = await links.get(database, in_default_domain(code)) if is_code(code) else None
    if link is None:
        raise LinkNotFound("There is no link of this code.")
    return replace(wanted, link_id=link.id)


async def timeseries(database: Database, wanted: ClickFilter, *, interval: str, tz: str, now: datetime) -> list[Bucket]:
    """Clicks by time, from `from` (or the first click) to `to` (or now). Raises InvalidInput for too many buckets."""
    start = wanted.start or await reports.first_click(database, wanted) or now
    end = wanted.end or max(now, start) + timedelta(microseconds=1)
    series = dict.fromkeys(bucket_starts(start, end, interval, ZoneInfo(tz)), 0)
    # A zone whose clock moves by half an hour has hours that the even series lacks: what is counted is always shown.
    series |= await reports.per_bucket(database, wanted, interval=interval, tz=tz)
    return [Bucket(bucket, series[bucket]) for bucket in sorted(series)]


def bucket_starts(start: datetime, end: datetime, interval: str, zone: ZoneInfo) -> Iterator[datetime]:
    """The beginnings, in UTC, of all buckets that overlap [start, end). Raises InvalidInput for too many."""
    count = 0
    try:
        moment = _floor(start.astimezone(zone), interval)
        while moment.astimezone(UTC) < end:
            count += 1
            if count > MAX_BUCKETS:
                raise InvalidInput(
                    {
                        "interval": [
                            f"Gives more than {MAX_BUCKETS:,} buckets; choose a longer one, or a shorter period."
                        ]
                    }
                )
            yield moment.astimezone(UTC)
            moment = _next(moment, interval)
    except (OverflowError, ValueError) as fault:
        raise InvalidInput({"from": ["The period must lie within the years that a calendar has."]}) from fault


def _floor(moment: datetime, interval: str) -> datetime:
    if interval == "minute":
        return moment.replace(second=0, microsecond=0)
    if interval == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if interval == "week":
        day -= timedelta(days=day.weekday())
    elif interval == "month":
        day = day.replace(day=1)
    return _as_postgres(day)


def _next(moment: datetime, interval: str) -> datetime:
    if interval in ("minute", "hour"):  # real time: a day of 25 hours has 25 of them
        step = timedelta(minutes=1) if interval == "minute" else timedelta(hours=1)
        return (moment.astimezone(UTC) + step).astimezone(moment.tzinfo)
    if interval == "month":
        return _as_postgres(moment.replace(year=moment.year + moment.month // 12, month=moment.month % 12 + 1))
    return _as_postgres(
        moment + timedelta(days=7 if interval == "week" else 1)
    )  # by the calendar, whatever the clock does


def _as_postgres(midnight: datetime) -> datetime:
    """A midnight that comes twice begins its day the second time, as `date_trunc` has it."""
    first, second = midnight.replace(fold=0), midnight.replace(fold=1)
    comes_twice = first.astimezone(UTC) < second.astimezone(UTC)
    return second if comes_twice else first
