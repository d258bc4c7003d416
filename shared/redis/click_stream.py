"""The click stream: the command that adds an entry. No other module contains it.

An entry has one field, which holds the events of some clicks (`shared/redis/click_events.py`).
"""

from typing import Any, Final

from shared.redis import click_events
from shared.redis.client import RedisClient, redis_errors
from shared.redis.keys import CLICK_STREAM

FIELD: Final = b"e"

LUA_ADD: Final = (
    f"redis.pcall('XADD', KEYS[1], '*', '{FIELD.decode()}', table.concat(events, '\\{ord(click_events.SEPARATOR)}'))"
)
"""The same for a Lua script: KEYS[1] is `CLICK_STREAM`, `events` a table of events. Evaluates to the entry's id or an
error."""


def add_command(events: bytes) -> tuple[bytes | str, ...]:
    """The command that adds joined events as one entry; Redis replies with the entry's id."""
    return ("XADD", CLICK_STREAM, "*", FIELD, events)


async def add(redis: RedisClient, events: bytes) -> bytes:
    """Add joined events as one entry; the entry's id. Raises StoreUnavailable."""
    with redis_errors():
        entry: Any = await redis.execute_command(*add_command(events))  # type: ignore[no-untyped-call]
    return bytes(entry)


def events_of(fields: dict[bytes, bytes] | None) -> bytes:
    """The joined events of an entry; empty when Redis has lost its fields."""
    return (fields or {}).get(FIELD, b"")
