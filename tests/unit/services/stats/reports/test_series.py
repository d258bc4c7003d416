from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict

from services.stats.reports.schemas import TimeseriesQuery
from services.stats.reports.series import MAX_BUCKETS, bucket_starts
from shared.domain.errors import InvalidInput
from shared.schemas.parsing import parse_query

BERLIN = "Europe/Berlin"


def local_starts(start: str, end: str, interval: str, tz: str = "UTC") -> list[str]:
    """The starts of the buckets in local time; `start` and `end` are local times too."""
    zone = ZoneInfo(tz)
    begin, finish = (datetime.fromisoformat(text).replace(tzinfo=zone) for text in (start, end))
    return [moment.astimezone(zone).isoformat() for moment in bucket_starts(begin, finish, interval, zone)]


@pytest.mark.parametrize(
    ("interval", "start", "end", "starts"),
    [
        ("minute", "2026-03-01T12:00:30", "2026-03-01T12:02:00", ["2026-03-01T12:00:00", "2026-03-01T12:01:00"]),
        ("hour", "2026-03-01T12:30", "2026-03-01T14:00:00.000001", [f"2026-03-01T{h}:00:00" for h in (12, 13, 14)]),
        ("day", "2026-02-28T12:00", "2026-03-01T12:00", ["2026-02-28T00:00:00", "2026-03-01T00:00:00"]),
        ("week", "2026-03-01", "2026-03-09T00:00:01", [f"2026-{d}T00:00:00" for d in ("02-23", "03-02", "03-09")]),
        ("month", "2025-12-31", "2026-02-01", ["2025-12-01T00:00:00", "2026-01-01T00:00:00"]),
    ],
)
def test_a_period_has_all_its_buckets(interval: str, start: str, end: str, starts: list[str]) -> None:
    assert local_starts(start, end, interval) == [f"{moment}+00:00" for moment in starts]


def test_a_bucket_that_begins_at_the_end_is_not_included() -> None:
    assert len(local_starts("2026-03-01", "2026-03-02", "day")) == 1


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_has_23_or_25_hours_when_the_clock_moves(day: str, hours: int) -> None:
    following = (datetime.fromisoformat(day) + timedelta(days=1)).isoformat()
    assert len(local_starts(day, following, "hour", BERLIN)) == hours


def test_an_hour_that_occurs_twice_is_two_buckets() -> None:
    starts = local_starts("2026-10-25T01:00", "2026-10-25T04:00", "hour", BERLIN)
    assert starts == [
        "2026-10-25T01:00:00+02:00",
        "2026-10-25T02:00:00+02:00",
        "2026-10-25T02:00:00+01:00",
        "2026-10-25T03:00:00+01:00",
    ]


def test_a_period_that_begins_in_the_second_of_two_equal_hours_begins_there() -> None:
    start = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # 02:30 for the second time
    starts = list(bucket_starts(start, start + timedelta(minutes=1), "hour", ZoneInfo(BERLIN)))
    assert starts == [datetime(2026, 10, 25, 1, 0, tzinfo=UTC)]


@pytest.mark.parametrize("interval", ["day", "week", "month"])
def test_days_weeks_and_months_begin_at_midnight_though_the_clock_moves(interval: str) -> None:
    starts = local_starts("2026-03-01", "2026-12-01", interval, BERLIN)
    assert {start[11:19] for start in starts} == {"00:00:00"}


def test_a_week_begins_on_monday() -> None:
    starts = local_starts("2026-01-01", "2026-03-01", "week", BERLIN)
    assert {datetime.fromisoformat(start).weekday() for start in starts} == {0}


def test_a_day_without_a_midnight_is_one_bucket() -> None:
    starts = local_starts("2018-11-03T12:00", "2018-11-05T12:00", "day", "America/Sao_Paulo")  # 0:00 became 1:00
    assert [start[:10] for start in starts] == ["2018-11-03", "2018-11-04", "2018-11-05"]


def test_a_day_whose_midnight_occurs_twice_begins_as_in_postgres() -> None:
    start = datetime(2020, 11, 1, 12, tzinfo=UTC)  # date_trunc gives the second 0:00 of that day
    starts = list(bucket_starts(start, start + timedelta(hours=1), "day", ZoneInfo("America/Havana")))
    assert starts == [datetime(2020, 11, 1, 5, tzinfo=UTC)]


def test_a_zone_may_be_off_by_minutes() -> None:
    starts = local_starts("2026-03-01T12:10", "2026-03-01T13:10", "hour", "Asia/Kathmandu")
    assert starts == ["2026-03-01T12:00:00+05:45", "2026-03-01T13:00:00+05:45"]


def test_the_maximum_of_buckets_is_allowed() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = start + timedelta(minutes=MAX_BUCKETS)
    assert len(list(bucket_starts(start, end, "minute", ZoneInfo("UTC")))) == MAX_BUCKETS


def test_more_buckets_are_refused() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = start + timedelta(minutes=MAX_BUCKETS, seconds=1)
    with pytest.raises(InvalidInput) as caught:
        list(bucket_starts(start, end, "minute", ZoneInfo("UTC")))
    assert set(caught.value.faults) == {"interval"}


@pytest.mark.parametrize("interval", ["minute", "day", "month"])
@pytest.mark.parametrize("tz", ["UTC", "America/New_York", "Asia/Tokyo"])
@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("0001-01-01T00:00:00Z", "0001-01-01T01:00:00Z"),
        ("9999-12-31T22:00:00Z", "9999-12-31T23:59:59Z"),
    ],
    ids=["the beginning", "the end"],
)
def test_a_period_at_an_end_of_the_calendar_has_buckets_or_is_refused(
    start: str, end: str, tz: str, interval: str
) -> None:
    query = MultiDict({"from": start, "to": end, "tz": tz, "interval": interval})
    try:
        click_filter = parse_query(TimeseriesQuery(), query)["filter"]
        starts = list(bucket_starts(click_filter.start, click_filter.end, interval, ZoneInfo(tz)))
    except InvalidInput:
        return
    assert starts


@given(
    start=st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # `timezones` adds it
    hours=st.integers(1, 400),
    interval=st.sampled_from(["hour", "day", "week", "month"]),
    tz=st.sampled_from(["UTC", BERLIN, "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Cairo"]),
)
def test_buckets_cover_the_period_in_order(start: datetime, hours: int, interval: str, tz: str) -> None:
    end = start + timedelta(hours=hours)
    starts = list(bucket_starts(start, end, interval, ZoneInfo(tz)))
    assert starts == sorted(set(starts))
    assert starts[0] <= start
    assert starts[-1] < end
