"""The error middleware: request ids, problem documents and metrics for every request."""

import logging
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from shared.domain.errors import BoltLinkError
from shared.http import problems
from shared.http.problems import Problem, render_problem
from shared.http.requests import request_id
from shared.process.logging import REQUEST_ID
from shared.process.metrics import REQUEST_METRICS

log = logging.getLogger(__name__)

Page = Callable[[web.Request, Problem], str | None]
"""Makes the page that a person gets instead of a problem document; None: the document is sent."""

INSTANCE_ID = web.AppKey("INSTANCE_ID", str)


def error_middleware(page: Page | None = None) -> Middleware:
    """The outermost middleware: turns every exception of a handler into a problem, and counts the request."""

    @web.middleware
    async def handle_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        identity = request_id(request)
        token = REQUEST_ID.set(identity)
        try:
            response = await _respond(request, handler, identity, page)
            if not response.prepared:  # a stream has sent its headers already
                response.headers["X-Request-ID"] = identity
                response.headers["X-Upstream"] = request.app[INSTANCE_ID]
            return response
        finally:
            REQUEST_ID.reset(token)
            route = request.match_info.route.name or "unmatched"
            status = response.status if "response" in locals() else 499  # the client disconnected before the response
            request.app[REQUEST_METRICS].observe(route, status, time.perf_counter() - started)

    return handle_errors


async def _respond(request: web.Request, handler: Handler, identity: str, page: Page | None) -> web.StreamResponse:
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
        problem = problems.internal_error()
    return problem_response(request, problem, identity, page)


def problem_response(request: web.Request, problem: Problem, identity: str, page: Page | None) -> web.Response:
    """The response for a problem: a page for a person, a problem document for a program."""
    html = page(request, problem) if page else None
    rendered = render_problem(problem, identity, html, varies=page is not None)
    headers = {**rendered.headers, "Content-Type": rendered.content_type}
    return web.Response(status=problem.kind.status, body=rendered.body, headers=headers)
