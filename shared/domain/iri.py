"""Convert targets from IRIs (RFC 3987), as people write them, to URIs (RFC 3986), as HTTP sends them."""

import re
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import quote, urlsplit

import idna

PRINTABLE_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))
_ASCII_HOST: Final = re.compile(
    r"(?=.{1,253}\.?\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?\Z"
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def ascii_host(host: str) -> str:
    """A host name in lower-case ASCII (IDNA 2008 with UTS 46 mapping). Raises ValueError for anything else."""
    if host.isascii():
        name = host.lower()
    else:
        try:
            name = idna.encode(host, uts46=True).decode()
        except (idna.IDNAError, UnicodeError) as fault:
            raise ValueError(f"not a host name: {fault}") from fault
    if not _ASCII_HOST.match(name):
        raise ValueError("not a host name")
    return name


def authority(url: str) -> str:
    """`host` or `host:port` of a URL, normalized for comparison: ASCII, lower case, no default port, no last dot."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    name = f"[{IPv6Address(host).compressed}]" if ":" in host else ascii_host(host).rstrip(".")
    port = parts.port
    return name if port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"{name}:{port}"


def to_uri(iri: str) -> str:
    """The target in ASCII, for a `Location` header. A target that is ASCII already is returned unchanged."""
    if iri.isascii():
        return iri
    parts = urlsplit(iri)
    if parts.hostname and not parts.hostname.isascii():
        port = "" if parts.port is None else f":{parts.port}"
        iri = iri.replace(parts.netloc, ascii_host(parts.hostname) + port, 1)
    return quote(iri, safe=PRINTABLE_ASCII)
