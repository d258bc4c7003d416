"""Reserved codes and random codes."""

import secrets
import string
from collections.abc import Callable
from typing import Final

ALPHABET: Final = string.ascii_letters + string.digits
LENGTH: Final = 7
MAX_ATTEMPTS: Final = 5
"""How many random codes are tried for a link. With a billion links the probability that all are taken is 10^-17."""

RESERVED: Final = frozenset(
    {
        *("links", "tags", "keys", "domains", "stats", "dashboard", "docs", "openapi", "problems"),
        *("health", "ready", "metrics", "stub_status", "robots", "favicon", "qr"),
        *("admin", "api", "app", "assets", "static", "login", "logout", "import", "live", "webhooks", "www"),
    }
)
"""Words that are, or may become, paths of BoltLink, in lower case."""

Draw = Callable[[int], int]
"""A function that returns a random number below its argument."""


def is_reserved(code: str) -> bool:
    """Whether a code is a reserved word, in upper or lower case."""
    return code.lower() in RESERVED


def random_code(draw: Draw = secrets.randbelow) -> str:
    """A code from a secure random source, which is called once for all characters because each call is expensive."""
    number = draw(len(ALPHABET) ** LENGTH)
    characters = []
    for _ in range(LENGTH):
        number, index = divmod(number, len(ALPHABET))
        characters.append(ALPHABET[index])
    return "".join(characters)
