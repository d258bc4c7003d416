"""The format of click events between resolver and consumer: many events in one text, cheap to write.

An event is `2 US link_id US id US at_ms US address US user_agent US referrer`; RS separates events. US and RS are the
ASCII separators 0x1F and 0x1E, which no HTTP header value may contain (RFC 9110, 5.5). The link's id comes first,
so that a script in Redis, which reads it from the record, can put it before the part that the resolver writes.
"""

from collections.abc import Iterable
from typing import Final

from shared.domain.models import ClickEvent

_VERSION: Final = "2"
_UNIT: Final = "\x1f"
HEAD: Final = f"{_VERSION}{_UNIT}"
"""The part of an event before the link's id."""

SEPARATOR: Final = b"\x1e"

ID_LIMIT: Final = 64
USER_AGENT_LIMIT: Final = 512
REFERRER_LIMIT: Final = 2_048


def encode(*, event_id: str, at_ms: int, link_id: int, address: str, user_agent: str, referrer: str) -> bytes:
    """Encode one event. The arguments are plain values, not an object, because every redirect calls this."""
    return head(link_id) + tail(event_id, str(at_ms), address, user_agent, referrer)


def head(link_id: int) -> bytes:
    """The first part of an event, up to the link's id; the `tail` follows."""
    return f"{HEAD}{link_id}".encode()


def tail(event_id: str, at_ms: str, address: str, user_agent: str, referrer: str) -> bytes:
    """The part of an event after the link's id."""
    return (
        f"{_UNIT}{event_id}{_UNIT}{at_ms}{_UNIT}{address}{_UNIT}{user_agent[:USER_AGENT_LIMIT]}{_UNIT}"
        f"{referrer[:REFERRER_LIMIT]}"
    ).encode("utf-8", "surrogateescape")


def join(events: Iterable[bytes]) -> bytes:
    """Join events into one text."""
    return SEPARATOR.join(events)


def split(text: bytes) -> list[bytes]:
    """Split a text into its events."""
    return text.split(SEPARATOR)


def count(text: bytes) -> int:
    """The number of events in a text."""
    return text.count(SEPARATOR) + 1 if text else 0


def decode(event: bytes) -> ClickEvent:
    """Decode one event. Raises ValueError for anything that `encode` did not write."""
    version, link_id, event_id, at_ms, address, user_agent, referrer = (
        event.decode("utf-8", "replace").replace("\x00", "").split(_UNIT)
    )
    if version != _VERSION or not event_id:
        raise ValueError("the version is unknown, or the id is missing")
    if len(event_id) > ID_LIMIT:
        raise ValueError("the id is too long")
    if not 0 < int(link_id) < 2**63:
        raise ValueError("the link id is out of range")
    return ClickEvent(
        id=event_id,
        at_ms=int(at_ms),
        link_id=int(link_id),
        address=address,
        user_agent=user_agent,
        referrer=referrer,
    )
