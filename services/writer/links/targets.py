"""The rules for the targets of links."""

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from shared.domain.iri import ascii_host, authority

MAX_TARGET_LENGTH: Final = 8_192

FORBIDDEN_SCHEMES: Final = frozenset({"javascript", "data", "vbscript", "file", "blob", "about"})
"""Schemes by which a target could run code or read data in the visitor's browser; no setting allows them."""

_FORBIDDEN_ASCII: Final = re.compile(r'[ <>"\\`]')
_WEB: Final = ("http", "https")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class TargetPolicy:
    """The schemes that targets may have, and the authorities of this installation, which no target may have."""

    schemes: frozenset[str] = frozenset(_WEB)
    own_authorities: frozenset[str] = frozenset()

    def fault(self, url: str) -> str | None:
        """The fault of a target, as a message for the client; None when there is none."""
        if len(url) > MAX_TARGET_LENGTH:
            return f"Must have at most {MAX_TARGET_LENGTH:,} characters."
        if not _is_plain_ascii(url) and any(_is_forbidden(char) for char in url):
            return "Must not contain spaces, control characters, quotes, angle brackets or backslashes."
        try:
            parts = urlsplit(url)
            return self._fault_of(parts, url)
        except ValueError as fault:
            return f"Must be a valid URL: {fault}."

    def _fault_of(self, parts: SplitResult, url: str) -> str | None:
        scheme = parts.scheme.lower()
        if scheme not in self.schemes:
            return f"Must begin with {' or '.join(f'{name}:' for name in sorted(self.schemes))}."
        if scheme not in _WEB and not parts.netloc:
            return None if len(url) > len(scheme) + 1 else "Must have a target after the scheme."
        if "@" in parts.netloc:
            return "Must not carry a user name or password."
        _check_host(parts)
        if authority(url) in self.own_authorities:
            return "Must not be a short URL of this installation."
        return None


def target_policy(public_url: str, schemes: frozenset[str], own_hosts: frozenset[str] = frozenset()) -> TargetPolicy:
    """The policy of an installation. Raises ValueError for an invalid host."""
    scheme = urlsplit(public_url).scheme or "http"
    named = frozenset(authority(f"{scheme}://{host}") for host in own_hosts)
    return TargetPolicy(schemes=schemes, own_authorities=_names_of(public_url) | named)


def _names_of(public_url: str) -> frozenset[str]:
    """The authority of an address; for an address on the loopback interface, with all names of loopback."""
    if not public_url:
        return frozenset()
    own = authority(public_url)
    for host in _LOOPBACK:
        port = own.removeprefix(host)
        if own.startswith(host) and (not port or port.startswith(":")):
            return frozenset(f"{name}{port}" for name in _LOOPBACK)
    return frozenset({own})


def _is_plain_ascii(url: str) -> bool:
    """Whether a URL is ASCII without a forbidden character: nearly all, which need no look at each character."""
    return url.isascii() and url.isprintable() and _FORBIDDEN_ASCII.search(url) is None


def _is_forbidden(char: str) -> bool:
    return char in '<>"\\`' or unicodedata.category(char) in ("Cc", "Cs", "Zs", "Zl", "Zp")


def _check_host(parts: SplitResult) -> None:
    """Raise ValueError unless host and port are valid."""
    host = parts.hostname
    if not host:
        raise ValueError("it has no host")
    if parts.port == 0:
        raise ValueError("0 is not a port")
    if ":" in host:
        ipaddress.IPv6Address(host)
        return
    last = ascii_host(host).rstrip(".").rpartition(".")[2]
    if last.isdecimal() or last.startswith("0x"):  # browsers read 127.1 and 0x7f000001 as addresses
        ipaddress.IPv4Address(host)
