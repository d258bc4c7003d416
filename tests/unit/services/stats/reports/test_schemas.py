from datetime import UTC, datetime
from typing import Any

import pytest
from multidict import MultiDict

from services.stats.reports.schemas import FilterQuery, LimitedQuery, TimeseriesQuery
from shared.domain.dimensions import ClickFilter, ValueFilter
from shared.schemas.parsing import parse_query
from tests.unit.invalid_input import query_faults_of


def filter_of(**query: str) -> ClickFilter:
    """The filter of a query. `from_` stands for `from`."""
    pairs = MultiDict((name.rstrip("_"), value) for name, value in query.items())
    click_filter = parse_query(FilterQuery(), pairs)["filter"]
    assert isinstance(click_filter, ClickFilter)
    return click_filter


def test_a_filter_has_its_defaults() -> None:
    assert filter_of() == ClickFilter(bots="exclude")


def test_a_time_with_an_offset_ignores_the_zone() -> None:
    click_filter = filter_of(from_="2026-01-31T12:00:00+02:00", tz="Asia/Tokyo")
    assert click_filter.start == datetime(2026, 1, 31, 10, tzinfo=UTC)


def test_a_date_begins_at_midnight_in_the_zone() -> None:
    click_filter = filter_of(from_="2026-07-01", tz="Europe/Berlin")
    assert click_filter.start == datetime(2026, 6, 30, 22, tzinfo=UTC)


def test_the_last_date_is_included() -> None:
    assert filter_of(to="2026-07-01").end == datetime(2026, 7, 2, tzinfo=UTC)


def test_the_last_date_ends_at_midnight_in_the_zone() -> None:
    click_filter = filter_of(to="2026-03-29", tz="Europe/Berlin")  # the clock moves on this day
    assert click_filter.end == datetime(2026, 3, 29, 22, tzinfo=UTC)


def test_a_period_may_be_one_day() -> None:
    click_filter = filter_of(from_="2026-07-01", to="2026-07-01")
    assert (click_filter.start, click_filter.end) == (
        datetime(2026, 7, 1, tzinfo=UTC),
        datetime(2026, 7, 2, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-07-02", "2026-07-01"),
        ("2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"),
        ("2026-07-01T12:00:00Z", "2026-07-01T13:00:00+02:00"),
    ],
)
def test_a_period_that_ends_before_it_begins_is_refused(start: str, end: str) -> None:
    assert query_faults_of(FilterQuery(), ("from", start), ("to", end)) == {"from": ["Must lie before `to`."]}


@pytest.mark.parametrize(
    ("name", "value", "tz"),
    [("to", "9999-12-31", "UTC"), ("from", "0001-01-01", "Asia/Tokyo"), ("to", "9999-12-31", "America/New_York")],
)
def test_a_date_at_the_end_of_the_calendar_is_refused(name: str, value: str, tz: str) -> None:
    assert set(query_faults_of(FilterQuery(), (name, value), ("tz", tz))) == {name}


@pytest.mark.parametrize("value", ["1969-12-31", "9000-01-01", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_a_year_without_clicks_is_refused(value: str) -> None:
    assert set(query_faults_of(FilterQuery(), ("from", value))) == {"from"}


@pytest.mark.parametrize("value", ["20260131", "2026-W05-6", "2026-1-31"])
def test_other_formats_of_a_date_are_refused(value: str) -> None:
    assert set(query_faults_of(FilterQuery(), ("from", value))) == {"from"}


@pytest.mark.parametrize("value", ["2026-02-30", "2026-01-31T12:00:00", "today", "", "0000-01-01", "1772366400"])
@pytest.mark.parametrize("name", ["from", "to"])
def test_a_value_that_is_neither_time_nor_date_is_refused(name: str, value: str) -> None:
    assert set(query_faults_of(FilterQuery(), (name, value))) == {name}


@pytest.mark.parametrize("tz", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Argentina/Buenos_Aires"])
def test_a_zone_is_accepted_by_its_iana_name(tz: str) -> None:
    assert parse_query(FilterQuery(), MultiDict(tz=tz))["tz"] == tz


@pytest.mark.parametrize(
    "tz", ["", "Berlin", "europe/berlin", "+02:00", "../../etc/passwd", "/etc/localtime", "Europe/\x00", "x" * 65]
)
def test_an_unknown_zone_is_refused(tz: str) -> None:
    assert set(query_faults_of(FilterQuery(), ("tz", tz))) == {"tz"}


@pytest.mark.parametrize("bots", ["exclude", "include", "only"])
def test_the_values_of_bots_are_accepted(bots: str) -> None:
    assert filter_of(bots=bots).bots == bots


def test_other_values_of_bots_are_refused() -> None:
    assert set(query_faults_of(FilterQuery(), ("bots", "some"))) == {"bots"}


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Firefox", ValueFilter(keep=("Firefox",))),
        ("Firefox,Mobile Safari", ValueFilter(keep=("Firefox", "Mobile Safari"))),
        (" Firefox , Chrome ", ValueFilter(keep=("Firefox", "Chrome"))),
        ("-Firefox", ValueFilter(leave_out=("Firefox",))),
        ("Firefox,-Chrome", ValueFilter(keep=("Firefox",), leave_out=("Chrome",))),
        ("a-b", ValueFilter(keep=("a-b",))),
    ],
)
def test_values_are_included_or_excluded(text: str, values: ValueFilter) -> None:
    assert filter_of(browser=text).dimensions == {"browser": values}


def test_several_dimensions_may_be_filtered() -> None:
    assert set(filter_of(browser="a", os="b", device="c", referrer="d").dimensions) == {
        "browser",
        "os",
        "device",
        "referrer",
    }


@pytest.mark.parametrize("text", ["", ",", "a,,b", "-", "a,-", " ", "a\x00", "x" * 1_025, ",".join("x" * 101)])
def test_invalid_values_are_refused(text: str) -> None:
    assert set(query_faults_of(FilterQuery(), ("browser", text))) == {"browser"}


def test_all_faults_of_a_query_are_reported_at_once() -> None:
    faults = query_faults_of(
        LimitedQuery(), ("from", "x"), ("to", "y"), ("tz", "z"), ("bots", "b"), ("limit", "0"), ("colour", "blue")
    )
    assert set(faults) == {"from", "to", "tz", "bots", "limit", "colour"}


@pytest.mark.parametrize("interval", ["minute", "hour", "day", "week", "month"])
def test_the_intervals_are_accepted(interval: str) -> None:
    assert parse_query(TimeseriesQuery(), MultiDict(interval=interval))["interval"] == interval


@pytest.mark.parametrize(
    ("schema", "name", "value"),
    [
        (TimeseriesQuery(), "interval", "year"),
        (TimeseriesQuery(), "interval", "Day"),
        (LimitedQuery(), "limit", "1001"),
        (LimitedQuery(), "limit", "x"),
    ],
)
def test_invalid_intervals_and_limits_are_refused(schema: Any, name: str, value: str) -> None:
    assert set(query_faults_of(schema, (name, value))) == {name}
