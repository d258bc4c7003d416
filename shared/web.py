"""The edge of every service: request ids, problems, metrics; reading JSON; and how an application is served."""

import json
import logging
import re
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from shared import problems
from shared.errors import BodyTooLarge, BoltLinkError, MalformedJson, WrongContentType
from shared.logs import REQUEST_ID
from shared.metrics import REQUEST_METRICS
from shared.problems import Problem

log = logging.getLogger(__name__)

Page = Callable[[web.Request, Problem], str | None]
"""What a person gets instead of a problem document: HTML, or None where the document will do."""

INSTANCE_ID = web.AppKey("INSTANCE_ID", str)

_REQUEST_ID: Final = re.compile(r"[0-9a-f]{32}\Z")


def request_id(request: web.Request) -> str:
    """The id that nginx gave the request, or a new one where there is no nginx before us."""
    given = request.headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.match(given) else uuid.uuid4().hex


def client_address(request: web.Request) -> str:
    """Whose request this is, as nginx saw it."""
    return request.headers.get("X-Real-IP") or request.remote or ""


def create_edge(page: Page | None = None) -> Middleware:
    """The only middleware around every handler: whatever happens inside, the client gets an answer that says so."""

    @web.middleware
    async def edge(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        identity = request_id(request)
        token = REQUEST_ID.set(identity)
        try:
            response = await _answer(request, handler, identity, page)
            if not response.prepared:  # a stream sent its headers long ago
                response.headers["X-Request-ID"] = identity
                response.headers["X-Upstream"] = request.app[INSTANCE_ID]
            return response
        finally:
            REQUEST_ID.reset(token)
            route = request.match_info.route.name or "unmatched"
            status = response.status if "response" in locals() else 499  # the client left before the answer
            request.app[REQUEST_METRICS].observe(route, status, time.perf_counter() - started)

    return edge


async def _answer(request: web.Request, handler: Handler, identity: str, page: Page | None) -> web.StreamResponse:
    try:
        return await handler(request)
    except BoltLinkError as error:
        problem = problems.of_error(error)
    except web.HTTPException as error:
        if error.status < 400:
            return web.Response(status=error.status, headers=error.headers, body=error.body)
        problem = problems.of_http_error(error)
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        problem = problems.of_fault()
    return problem_response(request, problem, identity, page)


def problem_response(request: web.Request, problem: Problem, identity: str, page: Page | None) -> web.Response:
    """A problem as the document a program reads, or as the page a person does."""
    html = page(request, problem) if page else None
    rendered = render_problem(problem, identity, html, varies=page is not None)
    headers = {**rendered.headers, "Content-Type": rendered.content_type}
    return web.Response(status=problem.kind.status, body=rendered.body, headers=headers)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A problem on its way to a client."""

    headers: Mapping[str, str]
    content_type: str
    body: bytes


def render_problem(problem: Problem, identity: str, html: str | None, *, varies: bool) -> Rendered:
    """A problem as a document, or as a page where there is one; `varies`: whether others may get the other form."""
    headers = {"Cache-Control": "no-store", **(problem.headers or {})}
    if varies:
        headers["Vary"] = "Accept"
    if html is not None:
        return Rendered(headers, "text/html; charset=utf-8", html.replace("{request_id}", identity).encode())
    body = json.dumps(problem.document(identity)).encode()  # ASCII: it may quote half a surrogate pair
    return Rendered(headers, problems.CONTENT_TYPE, body)


async def read_json(request: web.Request, *content_types: str, limit: int | None = None) -> Any:
    """The body as JSON, of at most `limit` bytes if not of the application's own limit.

    Raises WrongContentType, BodyTooLarge or MalformedJson.
    """
    if request.content_type not in (content_types or ("application/json",)):
        raise WrongContentType(f"Send Content-Type: {(content_types or ('application/json',))[0]}.")
    if limit is not None:
        request = request.clone(client_max_size=limit)
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge as fault:
        raise BodyTooLarge(f"The body may have at most {request.client_max_size:,} bytes.") from fault
    return parse_json(body)


def parse_json(body: bytes) -> Any:
    """A JSON document (RFC 8259, so no NaN). Raises MalformedJson."""
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as fault:
        raise MalformedJson("The body is not UTF-8.") from fault
    except (ValueError, RecursionError) as fault:
        raise MalformedJson(f"The body is not valid JSON: {fault}.") from fault


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def json_response(document: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON answer in UTF-8."""
    return web.Response(
        status=status,
        body=json.dumps(document, ensure_ascii=False).encode(),
        content_type="application/json",
        headers=headers,
    )
