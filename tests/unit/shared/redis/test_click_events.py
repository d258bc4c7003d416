from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.models import ClickEvent
from shared.redis.click_events import ID_LIMIT, REFERRER_LIMIT, USER_AGENT_LIMIT, decode, encode, join, split

_EVENT: dict[str, Any] = {
    "event_id": "0" * 32,
    "at_ms": 1_772_366_400_000,
    "link_id": 5,
    "address": "192.0.2.1",
    "user_agent": "curl/8",
    "referrer": "https://example.com/",
}


def encoded(**fields: Any) -> bytes:
    return encode(**(_EVENT | fields))


# The characters of a header: no separators, no NUL, and no half of a surrogate pair.
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00\x1e\x1f")
_TEXT = st.text(_CHARACTERS, max_size=300)


@given(
    event_id=st.text(_CHARACTERS, min_size=1, max_size=ID_LIMIT),
    at_ms=st.integers(0, 2**53),
    link_id=st.integers(1, 2**63 - 1),
    address=_TEXT,
    user_agent=_TEXT,
    referrer=_TEXT,
)
def test_an_event_is_decoded_as_it_was_encoded(**fields: Any) -> None:
    event = decode(encode(**fields))
    assert event == ClickEvent(id=fields.pop("event_id"), **fields)


@given(st.lists(st.binary(min_size=1).filter(lambda event: b"\x1e" not in event), min_size=1))
def test_joined_events_are_split_again(events: list[bytes]) -> None:
    assert split(join(events)) == events


def test_a_header_that_is_not_utf_8_is_still_an_event() -> None:
    header = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert decode(encoded(user_agent=header, referrer=header)).user_agent == "caf\N{REPLACEMENT CHARACTER}"


def test_nul_is_removed_because_postgres_cannot_store_it() -> None:
    assert decode(encoded(referrer="a\x00b")).referrer == "ab"


@pytest.mark.parametrize(("field", "limit"), [("user_agent", USER_AGENT_LIMIT), ("referrer", REFERRER_LIMIT)])
def test_a_long_header_is_truncated(field: str, limit: int) -> None:
    event = decode(encoded(**{field: "x" * (limit + 1)}))
    assert getattr(event, field) == "x" * limit


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="garbage"),
        pytest.param(encoded()[:20], id="torn off"),
        pytest.param(encoded() + b"\x1fmore", id="too many fields"),
        pytest.param(b"3" + encoded()[1:], id="another version"),
        pytest.param(encoded(event_id=""), id="no id"),
        pytest.param(encoded(event_id="\x00"), id="an id of NUL alone"),
        pytest.param(encoded(link_id=0), id="no link"),
        pytest.param(encoded(link_id=-1), id="a negative link"),
        pytest.param(encoded(link_id=2**63), id="a link that no bigint holds"),
        pytest.param(encoded(link_id="five"), id="a link that is no number"),
        pytest.param(encoded(link_id="9" * 5_000), id="a link of too many digits"),
        pytest.param(encoded(at_ms="noon"), id="a time that is no number"),
    ],
)
def test_a_malformed_event_is_refused(event: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(event)


@given(st.binary())
def test_any_bytes_are_an_event_or_a_value_error(text: bytes) -> None:
    for event in split(text):
        try:
            decode(event)
        except ValueError:
            continue
