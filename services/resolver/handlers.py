"""HTTP in, one call, HTTP out. `follow` is the hot path: it touches only what a redirect needs."""

import re
import time
from typing import Final

from aiohttp import web

from services.resolver.clicks.recorder import Clicks
from services.resolver.lookup.lookup import Lookup
from services.resolver.metrics import RESOLVER_METRICS
from services.resolver.pages.texts import HOME, ICON, PAGE_OF_STATUS
from services.resolver.redirects.decision import Target, cache_control, exhausted, target_of
from shared.domain.codes import is_code
from shared.domain.errors import LinkNotFound
from shared.domain.models import Route
from shared.http.problems import Problem
from shared.http.requests import client_address
from shared.http.stores import DATABASE
from shared.postgres.tables import permits
from shared.process.logging import REQUEST_ID
from shared.redis import click_events

LOOKUP = web.AppKey("LOOKUP", Lookup)
CLICKS = web.AppKey("CLICKS", Clicks)

_START: Final = re.compile(r"(\d{10})\.(\d{3})\Z", re.ASCII)


async def follow(request: web.Request) -> web.Response:
    """Send a visitor on. The click is held before the answer; HEAD is answered alike and is no click."""
    code = request.match_info["code"]
    if not is_code(code):
        raise LinkNotFound("There is no link here.")
    started = time.perf_counter()
    found = await request.app[LOOKUP].find(code)
    looked_up = time.perf_counter()
    request.app[RESOLVER_METRICS].lookups[found.source] += 1
    counts = request.method == "GET"
    target = target_of(found.route, time.time(), request.raw_path.partition("?")[2])
    if target.is_click and found.route.limited:
        target = await _within_limit(request, found.route, target, counts=counts)
    if target.is_click and counts:
        await request.app[CLICKS].record(_event(request, found.route.link_id))
    headers = {"Location": target.url, "Cache-Control": cache_control(target.status), "X-Robots-Tag": "noindex"}
    if request.headers.get("X-Debug") == "true":
        headers["X-Cache"] = found.source
        headers["Server-Timing"] = _timing(lookup=looked_up - started, click=time.perf_counter() - looked_up)
    return web.Response(status=target.status, headers=headers)


async def _within_limit(request: web.Request, route: Route, target: Target, *, counts: bool) -> Target:
    allowed = permits.take_permit if counts else permits.permit_left
    return target if await allowed(request.app[DATABASE], route.link_id) else exhausted(route)


def _event(request: web.Request, link_id: int) -> bytes:
    """The click, with nginx's id and time of the request: a repeat at another resolver is the same click."""
    headers = request.headers
    start = _START.match(headers.get("X-Request-Start", ""))
    return click_events.encode(
        event_id=REQUEST_ID.get(),
        at_ms=int(start[1] + start[2]) if start else time.time_ns() // 1_000_000,
        link_id=link_id,
        address=client_address(request),
        user_agent=headers.get("User-Agent", ""),
        referrer=headers.get("Referer", ""),
    )


def _timing(**seconds: float) -> str:
    return ", ".join(f"{name};dur={value * 1000:.3f}" for name, value in seconds.items())


async def home(_request: web.Request) -> web.Response:
    """What this is, for people who open the bare address."""
    return web.Response(text=HOME, content_type="text/html")


async def robots(_request: web.Request) -> web.Response:
    """No short URL is for crawlers (RFC 9309)."""
    return web.Response(text="User-agent: *\nDisallow: /\n")


async def favicon(_request: web.Request) -> web.Response:
    """The icon."""
    return web.Response(body=ICON, content_type="image/svg+xml", headers={"Cache-Control": "public, max-age=86400"})


def page(request: web.Request, problem: Problem) -> str | None:
    """What a person gets to read where a program gets the problem."""
    if "text/html" not in request.headers.get("Accept", ""):
        return None
    return PAGE_OF_STATUS.get(problem.kind.status)
