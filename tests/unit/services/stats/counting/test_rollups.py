from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.stats.counting.rollups import bucket_of, click_of, per_bucket
from shared.domain.dimensions import BUCKET_SECONDS
from shared.domain.models import Click
from shared.postgres.tables.clicks import BucketCount
from tests.support.builders import NOON, click_event


def click(*, at: datetime = NOON, link_id: int = 5, bot: bool = False) -> Click:
    values: dict[str, Any] = dict.fromkeys(("visitor", "referrer", "browser", "os", "device"), "")
    return Click(id="0", at=at, link_id=link_id, bot=bot, **values)


def test_a_click_has_the_id_the_time_and_the_link_of_its_event() -> None:
    counted = click_of(click_event(5, id="a" * 32, at_ms=1_500), b"secret")
    assert (counted.id, counted.at, counted.link_id) == (
        "a" * 32,
        datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC),
        5,
    )


def test_a_click_has_software_and_origin_of_the_visitor() -> None:
    counted = click_of(click_event(5, referrer="https://www.example.com/x"), b"secret")
    assert (counted.browser, counted.device, counted.bot, counted.referrer) == (
        "Firefox",
        "desktop",
        False,
        "example.com",
    )


def test_a_click_contains_no_address() -> None:
    assert "192.0.2.1" not in str(click_of(click_event(5, address="192.0.2.1"), b"secret"))


@pytest.mark.parametrize("at_ms", [10**15, -(10**15), 10**30, 10**400])
def test_a_time_out_of_range_is_a_value_error(at_ms: int) -> None:
    with pytest.raises(ValueError, match=r"."):
        click_of(click_event(5, at_ms=at_ms), b"secret")


@pytest.mark.parametrize(
    ("moment", "bucket"),
    [
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
        ("2026-03-01T12:14:59.999999Z", "2026-03-01T12:00:00Z"),
        ("2026-03-01T12:15:00Z", "2026-03-01T12:15:00Z"),
        ("2026-03-01T23:59:59Z", "2026-03-01T23:45:00Z"),
        ("2026-03-01T05:50:00+05:45", "2026-03-01T00:00:00Z"),
        ("1969-12-31T23:59:59Z", "1969-12-31T23:45:00Z"),
    ],
)
def test_a_bucket_begins_with_a_quarter_of_an_hour(moment: str, bucket: str) -> None:
    assert bucket_of(datetime.fromisoformat(moment)) == datetime.fromisoformat(bucket)


def test_clicks_are_counted_by_link_quarter_and_kind() -> None:
    later = NOON + timedelta(minutes=15)
    clicks = [click(), click(), click(at=later), click(link_id=6), click(bot=True)]
    assert sorted(per_bucket(clicks)) == [
        BucketCount(link_id=5, bucket=NOON, bot=False, clicks=2),
        BucketCount(link_id=5, bucket=NOON, bot=True, clicks=1),
        BucketCount(link_id=5, bucket=later, bot=False, clicks=1),
        BucketCount(link_id=6, bucket=NOON, bot=False, clicks=1),
    ]


def test_without_clicks_there_are_no_counts() -> None:
    assert per_bucket([]) == []


_CLICKS = st.builds(
    click,
    at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 2), timezones=st.just(UTC)),  # noqa: DTZ001  # `timezones` adds it
    link_id=st.integers(1, 3),
    bot=st.booleans(),
)


@given(st.lists(_CLICKS))
def test_every_click_is_counted_once(clicks: list[Click]) -> None:
    counted: Counter[tuple[int, bool]] = Counter()
    for count in per_bucket(clicks):
        counted[count.link_id, count.bot] += count.clicks
    assert counted == Counter((one.link_id, one.bot) for one in clicks)


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))  # noqa: DTZ001  # `timezones` adds it
def test_a_moment_lies_in_its_bucket(moment: datetime) -> None:
    bucket = bucket_of(moment)
    assert bucket <= moment < bucket + timedelta(seconds=BUCKET_SECONDS)
