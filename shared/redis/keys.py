"""Every key in Redis: its name, its type, its lifetime. No other module of services/ or shared/ spells a key."""

from typing import Final

from shared.domain.codes import DEFAULT_DOMAIN, LinkName

CLICK_STREAM: Final = "clicks"
"""Stream; `shared/redis/click_stream.py` says what an entry holds. It has no lifetime, so Redis never evicts it."""

CLICK_GROUP: Final = "stats"
"""The consumer group that counts. An entry leaves the stream once its clicks are committed."""

ROUTE_PREFIX: Final = "r:"
"""The beginning of every record's key."""

STREAM_MARK: Final = "clicks:mark"
"""String; any text, set once beside the stream. Another text, or none, shows that Redis has lost the stream."""

RELAY_MARK: Final = "relay:mark"
"""String, `RUN TIME`: in this run of Redis the relay had published every change before that time (ISO 8601)."""

DEAD_LETTERS: Final = "clicks:dead-letters"
"""Stream of events that could not be counted, each with the reason. About the newest `MAX_DEAD_LETTERS` are kept."""

FORMER_DEAD_LETTERS: Final = "clicks:broken"
"""The name of `DEAD_LETTERS` in earlier releases. Its entries are moved (`services/stats/counting/dead_letters.py`)."""

DEAD_LETTER_EVENT: Final = b"event"

DEAD_LETTER_REASON: Final = b"reason"

MAX_DEAD_LETTERS: Final = 100_000


def route(name: LinkName) -> str:
    """String; the record of a link (`shared/redis/route_records.py`). Lives for `LINK_LIFETIME`, or `MISS_LIFETIME`.

    Short, and without the default domain's name: a key of up to 13 bytes takes 16 bytes less of Redis's memory.
    """
    domain, code = name
    return f"{ROUTE_PREFIX}{'' if domain == DEFAULT_DOMAIN else domain}:{code}"


def name_of(route_key: bytes) -> LinkName:
    """The name that `route` made a key of."""
    domain, code = route_key.decode().removeprefix(ROUTE_PREFIX).split(":", 1)
    return LinkName(domain or DEFAULT_DOMAIN, code)
