"""Every key in Redis: its name, its shape, its lifetime. Nothing else spells one out."""

from typing import Final

CLICK_STREAM: Final = "clicks"
"""Stream; an entry carries `CLICK_FIELD`, some click events (`shared/click_events.py`). No lifetime: never evicted."""

CLICK_FIELD: Final = b"e"

CLICK_GROUP: Final = "stats"
"""The consumer group that counts. An entry leaves the stream once its clicks are committed."""

STREAM_MARK: Final = "clicks:mark"
"""String; any text that stays as long as the stream does: another one, or none, tells that Redis has lost both."""

BROKEN_CLICKS: Final = "clicks:broken"
"""Stream of events that could not be counted, each with the reason. The newest `BROKEN_LIMIT` or so are kept."""

BROKEN_EVENT: Final = b"event"

BROKEN_REASON: Final = b"reason"

BROKEN_LIMIT: Final = 100_000


def route(domain: str, code: str) -> str:
    """String; where a code leads, as `shared/route_records.py` writes it. Lives `LINK_LIFETIME`, or `MISS_LIFETIME`."""
    return f"route:{domain}:{code}"


def domain_and_code(route_key: bytes) -> tuple[str, str]:
    """What `route` made a key of."""
    _, domain, code = route_key.decode().split(":", 2)
    return domain, code
