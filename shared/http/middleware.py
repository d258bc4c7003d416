"""The middleware around every handler: request ids, problems, metrics."""

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
"""What a person gets instead of a problem document: HTML, or None where the document will do."""

INSTANCE_ID = web.AppKey("INSTANCE_ID", str)


def error_middleware(page: Page | None = None) -> Middleware:
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
