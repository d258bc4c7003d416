from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import Schema, ValidationError

from shared.schemas.fields import Moment, QueryBoolean, StrictBoolean, Text, format_moment, parse_moment


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31t12:00:00z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31 12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
        ("2026-01-31T12:00:00+02:00", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("2026-01-31T12:00:00-00:30", datetime(2026, 1, 31, 12, 30, tzinfo=UTC)),
        ("2026-01-31T12:00:00.5Z", datetime(2026, 1, 31, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31T12:00:00.123456789Z", datetime(2026, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_rfc_3339_is_read_as_utc(text: str, moment: datetime) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-31T12:00:00",
        "2026-01-31",
        "20260131T120000Z",
        "2026-W05-6T12:00:00Z",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00+02",
        "2026-01-31T12:00:00+0200",
        "2026-01-31T12:00:00 Z",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00Z\n",
        " 2026-01-31T12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+00:60",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "10000-01-01T00:00:00Z",
        "２０２６-01-31T12:00:00Z",  # noqa: RUF001  # digits of full width on purpose
        "tomorrow",
        "",
        1_772_366_400,
        None,
        True,
        ["2026-01-31T12:00:00Z"],
    ],
)
def test_another_format_than_rfc_3339_is_none(value: object) -> None:
    assert parse_moment(value) is None


@given(
    st.datetimes(
        datetime(2, 1, 1),  # noqa: DTZ001  # the strategy adds the zone
        datetime(9998, 12, 31),  # noqa: DTZ001
        timezones=st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours))),
    )
)
def test_a_formatted_time_can_be_parsed_again(moment: datetime) -> None:
    assert parse_moment(format_moment(moment)) == moment


def test_a_time_is_formatted_in_utc() -> None:
    moment = datetime(2026, 1, 31, 12, tzinfo=timezone(timedelta(hours=2)))
    assert format_moment(moment) == "2026-01-31T10:00:00Z"


class _Schema(Schema):
    flag = StrictBoolean()
    choice = QueryBoolean()
    line = Text()
    lines = Text(multiline=True)
    at = Moment(allow_none=True)


def load(**values: Any) -> dict[str, Any]:
    loaded: dict[str, Any] = _Schema().load(values)
    return loaded


@pytest.mark.parametrize("value", [True, False])
def test_a_boolean_is_read(value: bool) -> None:  # noqa: FBT001  # it is what is tested
    assert load(flag=value) == {"flag": value}


@pytest.mark.parametrize("value", ["true", "false", 0, 1, "yes", [], None])
def test_values_that_resemble_a_boolean_are_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        load(flag=value)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("false", False)])
def test_a_boolean_of_a_query_is_read(text: str, value: bool) -> None:  # noqa: FBT001  # it is what is tested
    assert load(choice=text) == {"choice": value}


@pytest.mark.parametrize("text", ["True", "1", "0", "yes", "on", ""])
def test_values_that_resemble_a_boolean_of_a_query_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        load(choice=text)


@pytest.mark.parametrize("char", ["\x00", "\x1f", "\n", "\t", "\x7f", "\x85", "\ud800"])
def test_a_line_has_no_control_characters(char: str) -> None:
    with pytest.raises(ValidationError, match="control characters"):
        load(line=f"a{char}b")


@pytest.mark.parametrize("text", ["plain", "", "ünïcödé 😀", "zero\u200dwidth"])
def test_a_line_may_be_any_other_text(text: str) -> None:
    assert load(line=text) == {"line": text}


def test_lines_may_be_broken() -> None:
    assert load(lines="a\r\n\tb") == {"lines": "a\r\n\tb"}


@pytest.mark.parametrize("char", ["\x00", "\x0b", "\ud800"])
def test_lines_have_no_other_control_characters(char: str) -> None:
    with pytest.raises(ValidationError, match="control characters"):
        load(lines=f"a{char}b")


@pytest.mark.parametrize("value", [1, True, ["a"], {"a": 1}, None])
def test_another_type_than_text_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        load(line=value)


def test_a_wrong_time_is_refused_with_an_example() -> None:
    with pytest.raises(ValidationError, match="2026-01-31T12:00:00Z"):
        load(at="2026-01-31T12:00:00")


def test_a_missing_time_is_dumped_as_null() -> None:
    assert _Schema().dump({"at": None}) == {"at": None}
