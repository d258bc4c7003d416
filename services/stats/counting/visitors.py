"""What a click stores about its visitor: software, origin and a keyed hash. The address itself is never stored."""

import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from ua_parser import parse

from shared.domain.iri import ascii_host

UNKNOWN: Final = "unknown"
DIRECT: Final = "direct"

_SPIDER: Final = "Spider"
_TABLETS: Final = ("iPad", "Kindle", "Tablet")
_DESKTOPS: Final = ("Windows", "Mac OS X", "Linux", "Ubuntu", "Chrome OS", "Fedora", "FreeBSD", "OpenBSD", "Debian")


@dataclass(frozen=True, slots=True)
class Agent:
    """The software of a visitor. `device` is one of desktop, mobile, tablet, bot, unknown."""

    browser: str
    os: str
    device: str
    bot: bool


@lru_cache(maxsize=10_000)
def agent_of(user_agent: str) -> Agent:
    """Parse a User-Agent with the tables of ua-parser (https://github.com/ua-parser/uap-core).

    Only a visitor that declares itself a bot counts as one. A program such as curl does not: a person uses it.
    """
    if not user_agent:
        return Agent(UNKNOWN, UNKNOWN, UNKNOWN, bot=False)
    found = parse(user_agent)
    browser = found.user_agent.family if found.user_agent else UNKNOWN
    os = found.os.family if found.os else UNKNOWN
    family = found.device.family if found.device else ""
    if family == _SPIDER:
        return Agent(browser, os, "bot", bot=True)
    return Agent(browser, os, _device(os, family, user_agent), bot=False)


def _device(os: str, family: str, user_agent: str) -> str:
    if any(word in family for word in _TABLETS) or (os == "Android" and "Mobile" not in user_agent):
        return "tablet"
    if os in ("iOS", "Android") or "Mobile" in user_agent:
        return "mobile"
    return "desktop" if os in _DESKTOPS else UNKNOWN


def referrer_of(referrer: str) -> str:
    """The host that the visitor came from; `direct` without a header, `unknown` if the header is no URL with a host."""
    if not referrer:
        return DIRECT
    try:
        host = urlsplit(referrer).hostname
        return ascii_host(host).removeprefix("www.") if host else UNKNOWN
    except ValueError:
        return UNKNOWN


def visitor_of(secret: bytes, address: str, user_agent: str) -> str:
    """A pseudonym of 16 hexadecimal digits: HMAC-SHA-256 of address and User-Agent, keyed with VISITOR_SECRET."""
    return hmac.new(secret, f"{address}\n{user_agent}".encode(), hashlib.sha256).hexdigest()[:16]
