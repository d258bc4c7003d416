from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.models import Link, LinkOptions, LinkStatus, Route
from shared.redis.route_records import decode, encode, route_of

_URI = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1).map("https://example.com/".__add__)
_TIME = st.none() | st.floats(0, 253_402_300_799)
_NUMBER = st.integers(1, 2**63 - 1)

_LIVE = st.builds(
    Route,
    version=_NUMBER,
    link_id=_NUMBER,
    live=st.just(True),
    url=_URI,
    redirect_status=st.sampled_from((301, 302, 307, 308)),
    valid_since=_TIME,
    valid_until=_TIME,
    limited=st.booleans(),
    expired_url=st.none() | _URI,
    forward_query=st.booleans(),
)
_DEAD = st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1)).map(lambda numbers: Route(*numbers))


@given(_LIVE | _DEAD)
def test_a_route_is_decoded_as_it_was_encoded(route: Route) -> None:
    assert decode(encode(route).encode()) == route


def test_a_link_that_expired_at_the_epoch_stays_expired() -> None:
    route = Route(version=1, link_id=2, live=True, url="https://example.com/", valid_until=0.0)
    assert decode(encode(route).encode()).valid_until == 0.0


def test_a_link_without_conditions_is_a_short_record() -> None:
    route = Route(version=3, link_id=5, live=True, url="https://example.com/")
    assert encode(route) == "3 5 302 https://example.com/"


def test_the_record_of_a_dead_link_does_not_contain_its_target() -> None:
    assert encode(Route(version=3, link_id=5, url="https://example.com/")) == "3 5 -"


_AT = b'1 2 {"url":"https://example.com/","redirect_status":302,'


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff 1 -", id="no text"),
        pytest.param(b"1 2", id="torn off behind the link"),
        pytest.param(b"1 2 ", id="nothing behind the link"),
        pytest.param(b"1 2 302", id="torn off behind the status"),
        pytest.param(b"one 2 -", id="a version that is no number"),
        pytest.param(b"1 two -", id="a link that is no number"),
        pytest.param(b"1 2 soon https://example.com/", id="a status that is no number"),
        pytest.param(b'1 2 {"url":"https://exam', id="torn off in the middle"),
        pytest.param(b'1 2 {"url":"https://example.com/","colour":"blue"}', id="an unknown condition"),
        pytest.param(b'1 2 {"url":"https://example.com/","version":9}', id="a second version"),
        pytest.param(b'1 2 {"limited":true}', id="conditions without a target"),
        pytest.param(b'1 2 {"url":7}', id="a target that is no text"),
        pytest.param(_AT + b'"valid_until":"tomorrow"}', id="an end that is no number"),
        pytest.param(_AT + b'"expired_url":7}', id="another target that is no text"),
        pytest.param(_AT + b'"limited":1}', id="neither limited nor not"),
        pytest.param(_AT + b'"limited":' + b"[" * 100_000, id="nested without end"),
    ],
)
def test_a_record_that_encode_did_not_write_is_refused(record: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(record)


@given(st.binary() | st.text().map(lambda rest: f"1 2 {rest}".encode("utf-8", "replace")))
def test_any_bytes_are_a_route_or_a_value_error(record: bytes) -> None:
    try:
        route = decode(record)
    except ValueError:
        return
    assert isinstance(route, Route)


def link(status: LinkStatus = "active", **options: Any) -> Link:
    return Link(
        id=5,
        domain="default",
        code="abc",
        options=LinkOptions(**({"url": "https://example.com/"} | options)),
        status=status,
        clicks=0,
        created_at=datetime(2026, 3, 1, tzinfo=UTC),
        updated_at=datetime(2026, 3, 1, tzinfo=UTC),
        version=3,
    )


_PLAIN = Route(version=3, link_id=5, live=True, url="https://example.com/")


def test_a_plain_link_is_a_plain_route() -> None:
    assert route_of(link()) == _PLAIN


@pytest.mark.parametrize("status", ["deleted", "disabled"])
def test_a_deleted_or_disabled_link_is_not_live(status: LinkStatus) -> None:
    assert not route_of(link(status)).live


@pytest.mark.parametrize("status", ["scheduled", "expired", "exhausted"])
def test_a_link_with_conditions_is_live(status: LinkStatus) -> None:
    assert route_of(link(status)).live


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({"url": "https://münchen.de/"}, {"url": "https://xn--mnchen-3ya.de/"}),
        ({"expired_url": "https://münchen.de/"}, {"expired_url": "https://xn--mnchen-3ya.de/"}),
        ({"redirect_status": 308}, {"redirect_status": 308}),
        ({"valid_since": datetime(1970, 1, 1, 0, 1, tzinfo=UTC)}, {"valid_since": 60.0}),
        ({"valid_until": datetime(1970, 1, 1, 0, 0, tzinfo=UTC)}, {"valid_until": 0.0}),
        ({"max_clicks": 1}, {"limited": True}),
        ({"forward_query": True}, {"forward_query": True}),
    ],
)
def test_each_condition_of_a_link_is_in_its_route(options: dict[str, Any], changes: dict[str, Any]) -> None:
    assert route_of(link(**options)) == _PLAIN._replace(**changes)
