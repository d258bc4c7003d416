"""Codes: which ones may be had, and new ones for those who do not mind."""

import secrets
import string
from collections.abc import Callable, Iterator
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

Choose = Callable[[str], str]


def is_reserved(code: str) -> bool:
    """Whether a code is kept for ourselves."""
    return code.lower() in RESERVED


def candidates(wanted: str | None, choose: Choose = secrets.choice) -> Iterator[str]:
    """The wanted code alone, or a few random ones from a secure source."""
    if wanted is not None:
        yield wanted
        return
    for _ in range(TRIES):
        yield "".join(choose(ALPHABET) for _ in range(LENGTH))
