"""The decision about a visit: a redirect, a refusal, or that the stores must be asked. Pure: no store, no clock.

The fast path and the application path both respond with what `decide` returns; nothing else knows the rules.
"""

from typing import Final, NamedTuple, Protocol

from services.resolver.redirects.query import merge_query
from shared.domain.errors import LinkGone, LinkNotFound
from shared.domain.models import Route

_CACHE_CONTROL: Final = {301: "private, max-age=90", 308: "private, max-age=90"}
"""Without a lifetime browsers would keep a permanent redirect for good, and edits and clicks would be lost."""

_NO_STORE: Final = "private, no-store"


class Visit(Protocol):
    """What a decision may depend on, besides the link and the time."""

    @property
    def query(self) -> str:
        """The raw query of the visited URL, without its question mark."""


class Redirect(NamedTuple):
    """Redirect the visitor. `is_click`: to the link's own target, so the redirect counts."""

    url: str
    status: int
    is_click: bool


class Refusal(NamedTuple):
    """The link leads nowhere; `error` says why."""

    error: LinkNotFound | LinkGone


class PermitNeeded(NamedTuple):
    """Redirect the visitor if Postgres has a permit left for the link, else decide by `exhausted`."""

    redirect: Redirect


Decision = Redirect | Refusal | PermitNeeded


def decide(route: Route, visit: Visit, now: float) -> Decision:
    """What a visit gets at a time (Unix, in seconds)."""
    if not route.live:
        return Refusal(LinkNotFound("There is no link here."))
    if route.valid_until is not None and now >= route.valid_until:
        return _expired(route, LinkGone("This link has expired."))
    if route.valid_since is not None and now < route.valid_since:
        return _expired(route, LinkNotFound("This link does not lead anywhere yet."))
    url = merge_query(route.url, visit.query) if route.forward_query and visit.query else route.url
    redirect = Redirect(url, route.redirect_status, is_click=True)
    return PermitNeeded(redirect) if route.limited else redirect


def exhausted(route: Route) -> Redirect | Refusal:
    """What a visit to a link gets whose `max_clicks` are used up."""
    return _expired(route, LinkGone("This link has been followed as often as it may be."))


def cache_control(status: int) -> str:
    """How long clients may keep a redirect of this status."""
    return _CACHE_CONTROL.get(status, _NO_STORE)


def _expired(route: Route, error: LinkNotFound | LinkGone) -> Redirect | Refusal:
    if route.expired_url is None:
        return Refusal(error)
    return Redirect(route.expired_url, 302, is_click=False)
