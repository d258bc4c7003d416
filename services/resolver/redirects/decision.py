"""The rules of a redirect: whether a route leads somewhere now, and where exactly."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_plus

from shared.domain.errors import LinkGone, LinkNotFound
from shared.domain.models import Route

_ALL_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))

_CACHE_CONTROL: Final = {301: "private, max-age=90", 308: "private, max-age=90"}
"""A permanent redirect without a lifetime would stick in browsers for good: edits and clicks would be lost."""

_NO_STORE: Final = "private, no-store"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a visitor is sent. `is_click`: the link's own target, so the redirect counts."""

    url: str
    status: int
    is_click: bool


def cache_control(status: int) -> str:
    """How long a redirect may be remembered."""
    return _CACHE_CONTROL.get(status, _NO_STORE)


def target_of(route: Route, now: float, query: str) -> Target:
    """Where a route leads at a time (Unix, seconds), for a visitor's raw query.

    Raises LinkNotFound or LinkGone where it leads nowhere. Whether a limited link has a permit left is asked apart.
    """
    if not route.live:
        raise LinkNotFound("There is no link here.")
    if route.valid_until is not None and now >= route.valid_until:
        return _instead(route, LinkGone("This link has expired."))
    if route.valid_since is not None and now < route.valid_since:
        return _instead(route, LinkNotFound("This link does not lead anywhere yet."))
    url = merge_query(route.url, query) if query and route.forward_query else route.url
    return Target(url, route.redirect_status, is_click=True)


def exhausted(route: Route) -> Target:
    """Where a route leads whose `max_clicks` are used up. Raises LinkGone without an `expired_url`."""
    return _instead(route, LinkGone("This link has been followed as often as it may be."))


def _instead(route: Route, otherwise: LinkNotFound | LinkGone) -> Target:
    if route.expired_url is None:
        raise otherwise
    return Target(route.expired_url, 302, is_click=False)


def merge_query(url: str, query: str) -> str:
    """The URL with a visitor's raw query merged in: of parameters that both have, the visitor's are kept."""
    address, hash_sign, fragment = url.partition("#")
    address, _, own = address.partition("?")
    given = quote(query, safe=_ALL_ASCII, errors="surrogateescape")
    given_names = {_name(part) for part in given.split("&")}
    kept = [part for part in own.split("&") if part and _name(part) not in given_names]
    return f"{address}?{'&'.join([*kept, given])}{hash_sign}{fragment}"


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0])
