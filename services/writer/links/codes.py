"""Codes: which ones may be had, and new ones for those who do not mind."""

import secrets
import string
from collections.abc import Callable
from typing import Final

ALPHABET: Final = string.ascii_letters + string.digits
LENGTH: Final = 7
TRIES: Final = 5
"""How many random codes are tried. With a billion links all of them are taken one time in 10^17."""

RESERVED: Final = frozenset(
    {
        *("links", "tags", "keys", "domains", "stats", "dashboard", "docs", "openapi", "problems"),
        *("health", "ready", "metrics", "stub_status", "robots", "favicon", "qr"),
        *("admin", "api", "app", "assets", "static", "login", "logout", "import", "live", "webhooks", "www"),
    }
)
"""Words that are, or may become, paths of our own; in any case (of letters)."""

Draw = Callable[[int], int]
"""A random number below its argument."""


def is_reserved(code: str) -> bool:
    """Whether a code is kept for ourselves."""
    return code.lower() in RESERVED


def random_code(draw: Draw = secrets.randbelow) -> str:
    """A code from a secure source: one number for all its characters, since each question to the source costs."""
    number = draw(len(ALPHABET) ** LENGTH)
    characters = []
    for _ in range(LENGTH):
        number, place = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[place])
    return "".join(characters)
