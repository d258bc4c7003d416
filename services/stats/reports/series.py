"""Time series of clicks in which no bucket is missing."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from shared.domain.dimensions import ClickFilter
from shared.domain.errors import InvalidInput
from shared.postgres.pool import Database
from shared.postgres.tables import reports

MAX_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """The number of clicks between `start` and the start of the next bucket."""

    start: datetime
    clicks: int


async def timeseries(
    database: Database, click_filter: ClickFilter, *, interval: str, tz: str, now: datetime
) -> list[Bucket]:
    """The buckets from the start of the filter, or the first click, to its end, or now.

    Raises InvalidInput for more than MAX_BUCKETS buckets.
    """
    start = click_filter.start or await reports.first_click(database, click_filter) or now
    end = click_filter.end or max(now, start) + timedelta(microseconds=1)
    series = dict.fromkeys(bucket_starts(start, end, interval, ZoneInfo(tz)), 0)
    # Where a clock moves by half an hour, PostgreSQL has hours that bucket_starts lacks; the union keeps their clicks.
    series |= await reports.per_bucket(database, click_filter, interval=interval, tz=tz)
    return [Bucket(bucket, series[bucket]) for bucket in sorted(series)]


def bucket_starts(start: datetime, end: datetime, interval: str, zone: ZoneInfo) -> Iterator[datetime]:
    """The starts, in UTC, of all buckets that overlap [start, end). Raises InvalidInput for more than MAX_BUCKETS."""
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
    if interval in ("minute", "hour"):  # elapsed time: a day of 25 hours has 25 buckets
        step = timedelta(minutes=1) if interval == "minute" else timedelta(hours=1)
        return (moment.astimezone(UTC) + step).astimezone(moment.tzinfo)
    if interval == "month":
        return _as_postgres(moment.replace(year=moment.year + moment.month // 12, month=moment.month % 12 + 1))
    return _as_postgres(
        moment + timedelta(days=7 if interval == "week" else 1)
    )  # calendar time: the next midnight, also when the clock moves


def _as_postgres(midnight: datetime) -> datetime:
    """The second of two equal midnights, because `date_trunc` of PostgreSQL begins the day there."""
    first, second = midnight.replace(fold=0), midnight.replace(fold=1)
    comes_twice = first.astimezone(UTC) < second.astimezone(UTC)
    return second if comes_twice else first
