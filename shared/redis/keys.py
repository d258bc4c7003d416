"""Every key in Redis: its name, its shape, its lifetime. Nothing else spells one out."""

from typing import Final

from shared.domain.codes import DEFAULT_DOMAIN

CLICK_STREAM: Final = "clicks"
"""Stream; an entry carries click events in `CLICK_FIELD` (`shared/redis/click_events.py`). It is never evicted."""

CLICK_FIELD: Final = b"e"

CLICK_GROUP: Final = "stats"
"""The consumer group that counts. An entry leaves the stream once its clicks are committed."""

ROUTE_HEAD: Final = "r:"
"""What the key of every record begins with."""

STREAM_MARK: Final = "clicks:mark"
"""String; any text that stays as long as the stream does: another one, or none, tells that Redis has lost both."""

RELAY_MARK: Final = "relay:mark"
"""String; `RUN TIME`: in this run of Redis the relay had published every change before that time (ISO 8601)."""

DEAD_LETTERS: Final = "clicks:dead-letters"
"""Stream of events that could not be counted, each with the reason. The newest `MAX_DEAD_LETTERS` or so are kept."""

FORMER_DEAD_LETTERS: Final = "clicks:broken"
"""The name of `DEAD_LETTERS` in earlier releases. Its entries are moved (`services/stats/counting/dead_letters.py`)."""

DEAD_LETTER_EVENT: Final = b"event"

DEAD_LETTER_REASON: Final = b"reason"

MAX_DEAD_LETTERS: Final = 100_000


def route(domain: str, code: str) -> str:
    """String; where a code leads (`shared/redis/route_records.py`). Lives for `LINK_LIFETIME`, or `MISS_LIFETIME`.

    Short, and without the default domain's name: with up to 13 bytes a key takes 16 bytes less of Redis's memory.
    """
    return f"{ROUTE_HEAD}{'' if domain == DEFAULT_DOMAIN else domain}:{code}"


def domain_and_code(route_key: bytes) -> tuple[str, str]:
    """What `route` made a key of."""
    domain, code = route_key.decode().removeprefix(ROUTE_HEAD).split(":", 1)
    return domain or DEFAULT_DOMAIN, code
