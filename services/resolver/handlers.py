"""HTTP in, one call, HTTP out. `follow` is the application path of a redirect; most redirects take the fast path."""

import time
from typing import NamedTuple

from aiohttp import web

from services.resolver.clicks.recorder import ClickRecorder
from services.resolver.lookup.lookup import Lookup
from services.resolver.metrics import RESOLVER_METRICS
from services.resolver.pages.texts import HOME, ICON, PAGE_OF_STATUS
from services.resolver.redirects.decision import PermitNeeded, Redirect, Refusal, cache_control, decide, exhausted
from shared.domain.codes import link_name
from shared.domain.models import Route
from shared.http.caching import CACHED_FOR_A_DAY
from shared.http.problems import Problem
from shared.http.requests import client_address, start_ms
from shared.http.stores import DATABASE
from shared.postgres.tables import permits
from shared.process.logging import REQUEST_ID
from shared.redis import click_events

LOOKUP = web.AppKey("LOOKUP", Lookup)
CLICK_RECORDER = web.AppKey("CLICK_RECORDER", ClickRecorder)


class RequestVisit(NamedTuple):
    """A visit as the rules know it."""

    query: str


async def follow(request: web.Request) -> web.Response:
    """Redirect a visitor. The click is recorded before the response; HEAD gets the same response and is no click."""
    name = link_name(request.match_info["code"])
    started = time.perf_counter()
    found = await request.app[LOOKUP].find(name)
    looked_up = time.perf_counter()
    request.app[RESOLVER_METRICS].lookups[found.source] += 1
    is_get = request.method == "GET"
    decision = decide(found.route, RequestVisit(request.raw_path.partition("?")[2]), time.time())
    if isinstance(decision, PermitNeeded):
        decision = await _with_permit(request, found.route, decision, is_get=is_get)
    if isinstance(decision, Refusal):
        raise decision.error
    if decision.is_click and is_get:
        await request.app[CLICK_RECORDER].record(_event(request, found.route.link_id))
    cache = cache_control(decision.status)
    headers = {"Location": decision.url, "Cache-Control": cache, "X-Robots-Tag": "noindex"}
    if request.headers.get("X-Debug") == "true":
        headers["X-Cache"] = found.source
        headers["Server-Timing"] = _timing(lookup=looked_up - started, click=time.perf_counter() - looked_up)
    return web.Response(status=decision.status, headers=headers)


async def _with_permit(request: web.Request, route: Route, needed: PermitNeeded, *, is_get: bool) -> Redirect | Refusal:
    is_allowed = permits.take_permit if is_get else permits.permit_left
    return needed.redirect if await is_allowed(request.app[DATABASE], route.link_id) else exhausted(route)


def _event(request: web.Request, link_id: int) -> bytes:
    """The click, with nginx's id and time of the request: when nginx tries a second resolver, it is the same click."""
    headers = request.headers
    return click_events.encode(
        event_id=REQUEST_ID.get(),
        at_ms=start_ms(request) or time.time_ns() // 1_000_000,
        link_id=link_id,
        address=client_address(request),
        user_agent=headers.get("User-Agent", ""),
        referrer=headers.get("Referer", ""),
    )


def _timing(**seconds: float) -> str:
    return ", ".join(f"{name};dur={value * 1000:.3f}" for name, value in seconds.items())


async def home(_request: web.Request) -> web.Response:
    """A page for people who open the bare address."""
    return web.Response(text=HOME, content_type="text/html")


async def robots(_request: web.Request) -> web.Response:
    """No short URL is for crawlers (RFC 9309)."""
    return web.Response(text="User-agent: *\nDisallow: /\n")


async def favicon(_request: web.Request) -> web.Response:
    """The icon."""
    return web.Response(body=ICON, content_type="image/svg+xml", headers={"Cache-Control": CACHED_FOR_A_DAY})


def page(request: web.Request, problem: Problem) -> str | None:
    """The page that a person gets where a program gets the problem; None where there is no page."""
    if "text/html" not in request.headers.get("Accept", ""):
        return None
    return PAGE_OF_STATUS.get(problem.kind.status)
