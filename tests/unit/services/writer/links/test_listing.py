import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.writer.links.listing import _make_cursor, _read_cursor
from shared.domain.errors import InvalidInput
from shared.domain.models import Link, LinkOptions

NOON = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)

LAST = Link(
    id=5,
    domain="default",
    code="abc",
    options=LinkOptions(url="https://example.com/"),
    status="active",
    clicks=7,
    created_at=NOON,
    updated_at=NOON,
    version=1,
)

ORDERS = [sign + sort for sort in ("created_at", "updated_at", "clicks", "code") for sign in ("", "-")]


def forged(*parts: Any) -> str:
    """A cursor with arbitrary content."""
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(("sort", "value"), [("clicks", 7), ("code", "abc")])
def test_a_cursor_marks_the_last_link_of_its_page(sort: str, value: object) -> None:
    assert _read_cursor(_make_cursor(LAST, sort), sort) == (value, 5)


@pytest.mark.parametrize("sort", ["created_at", "-updated_at"])
def test_a_cursor_holds_a_time_exactly(sort: str) -> None:
    value, link_id = _read_cursor(_make_cursor(LAST, sort), sort)
    assert (datetime.fromisoformat(str(value)), link_id) == (NOON, 5)


@pytest.mark.parametrize("order", ORDERS)
def test_a_cursor_fits_into_a_url(order: str) -> None:
    cursor = _make_cursor(LAST, order)
    assert set(cursor) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@pytest.mark.parametrize(("order", "other_order"), [("code", "-code"), ("code", "clicks"), ("created_at", "-clicks")])
def test_a_cursor_is_valid_for_its_own_order_only(order: str, other_order: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        _read_cursor(_make_cursor(LAST, order), other_order)
    assert caught.value.faults == {"cursor": ["Must be the next_cursor of a page with the same sort."]}


@pytest.mark.parametrize(
    ("order", "cursor"),
    [
        pytest.param("code", "x", id="no Base64"),
        pytest.param("code", "ü", id="no ASCII"),
        pytest.param("code", "!!!!", id="no Base64 at all"),
        pytest.param("code", base64.urlsafe_b64encode(b"\xff\xfe\xfd").decode(), id="no text"),
        pytest.param("code", base64.urlsafe_b64encode(b"[" * 500).decode(), id="no JSON"),
        pytest.param("code", base64.urlsafe_b64encode(b"7").decode(), id="a number"),
        pytest.param("code", base64.urlsafe_b64encode(b'{"a":1,"b":2,"c":3}').decode(), id="an object"),
        pytest.param("code", base64.urlsafe_b64encode(b"null").decode(), id="null"),
        pytest.param("code", forged("code", "abc"), id="too few parts"),
        pytest.param("code", forged("code", "abc", 5, 6), id="too many parts"),
        pytest.param("code", forged(None, "abc", 5), id="no order"),
        pytest.param("code", forged("code", "abc", "5"), id="an id that is text"),
        pytest.param("code", forged("code", "abc", True), id="an id that is a boolean"),
        pytest.param("code", forged("code", "abc", 5.0), id="an id with a point"),
        pytest.param("code", forged("code", "abc", 0), id="the id 0"),
        pytest.param("code", forged("code", "abc", -1), id="a negative id"),
        pytest.param("code", forged("code", "abc", 2**63), id="an id that no bigint holds"),
        pytest.param("code", forged("code", 7, 5), id="a code that is a number"),
        pytest.param("code", forged("code", None, 5), id="no code"),
        pytest.param("code", forged("code", "a\x00b", 5), id="a code with NUL"),
        pytest.param("code", forged("code", "a\ud800", 5), id="a code with half a pair"),
        pytest.param("clicks", forged("clicks", "7", 5), id="clicks that are text"),
        pytest.param("clicks", forged("clicks", True, 5), id="clicks that are a boolean"),
        pytest.param("clicks", forged("clicks", -1, 5), id="negative clicks"),
        pytest.param("clicks", forged("clicks", 2**63, 5), id="more clicks than a bigint holds"),
        pytest.param("clicks", forged("clicks", float("nan"), 5), id="clicks that are no number"),
        pytest.param("clicks", forged("clicks", [7], 5), id="a list of clicks"),
        pytest.param("created_at", forged("created_at", 7, 5), id="a time that is a number"),
        pytest.param("created_at", forged("created_at", "soon", 5), id="not a time"),
        pytest.param("created_at", forged("created_at", None, 5), id="no time"),
        pytest.param("created_at", forged("created_at", "2026-W10-7", 5), id="a week, which Postgres cannot read"),
        pytest.param("created_at", forged("created_at", "2026-03-01x12:00:00+00:00", 5), id="no T before the time"),
        pytest.param("created_at", forged("created_at", "2026-03-01T12:00:00+23:59:59", 5), id="an impossible offset"),
    ],
)
def test_a_forged_cursor_is_refused(order: str, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        _read_cursor(cursor, order)


@given(order=st.sampled_from(ORDERS), cursor=st.text(max_size=100) | st.builds(forged, st.text(), st.text(), st.text()))
def test_an_arbitrary_text_as_a_cursor_is_refused(order: str, cursor: str) -> None:
    with pytest.raises(InvalidInput):
        _read_cursor(cursor, order)
