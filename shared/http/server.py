"""How gunicorn's worker serves an application: a fast path for requests that have one, a problem for malformed HTTP.

Both need private parts of aiohttp's `RequestHandler`. Only `Connection` uses them, the version of aiohttp is
pinned, and tests/unit/shared/http/test_server.py tests it with real sockets.
"""

import asyncio
import json
import logging
import uuid
from typing import Any, Final, Protocol

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler

from shared.http import problems
from shared.http.middleware import INSTANCE_ID

log = logging.getLogger(__name__)

_BACKLOG: Final = 4_096
"""Connections that may wait to be accepted. A burst through nginx opens hundreds at once; a connection that does not
fit is retried by TCP only after a second."""

DRAIN_TIMEOUT: Final = 3.0
"""Seconds for which idle connections are kept when a service stops. nginx closes those that are idle for 2 s
(`keepalive_timeout` of its upstreams), so the service never closes one on which nginx is just sending a request that
nginx must not repeat."""

_POLL_INTERVAL: Final = 0.05

_MAX_LINE: Final = 32_768
"""The maximum length of a request line or a header in bytes; longer ones are refused by nginx."""


def serve(app: web.Application) -> web.AppRunner:
    """A runner for an application. nginx keeps the access log."""
    return _Runner(
        app,
        access_log=None,
        keepalive_timeout=75,  # longer than nginx keeps a connection, so that it is nginx that closes it
        shutdown_timeout=15,
        max_line_size=_MAX_LINE,
        max_field_size=_MAX_LINE,
    )


class FastPath(Protocol):
    """Responds to some requests without a task, a request object or an application."""

    def offer(self, message: RawRequestMessage, connection: "Connection") -> bool:
        """Whether the fast path accepts the request. If so, it later calls `respond` or `pass_to_application` once."""


FAST_PATH = web.AppKey("FAST_PATH", FastPath)
"""An application may set its fast path here while it starts."""


class Connection(RequestHandler):
    """A connection with a client, which nearly always is nginx.

    A request that the fast path accepts stays the first in aiohttp's queue until it has its response, so that it can
    still be passed to the application. Only a request that is alone on its connection is offered to the fast path.

    A request that cannot be parsed gets a problem document instead of aiohttp's plain text; no middleware can do that,
    because such a request never reaches an application.
    """

    __slots__ = ("_fast_path", "_is_taken", "_server")

    def __init__(self, manager: "_Server", **options: Any) -> None:
        super().__init__(manager, **options)
        self._server = manager
        self._fast_path = manager.fast_path
        self._is_taken = False

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if self._server.is_draining and isinstance(resp, web.StreamResponse) and not resp.prepared:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def data_received(self, data: bytes) -> None:
        waiter = self._waiter
        if self._fast_path is None or waiter is None or waiter.done():
            super().data_received(data)
            return
        self._waiter = None  # aiohttp must not wake its task before the request was offered to the fast path
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter
        if not self._is_taken:
            self._offer()

    def respond(self, response: bytes) -> None:
        """Send the response of the request that the fast path has accepted."""
        if not self._is_taken:
            return
        self._release()
        if self.transport is None:  # the client has left
            return
        self.transport.write(response)
        self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        self._offer()

    def pass_to_application(self) -> None:
        """Pass the request that the fast path has accepted to the application."""
        if not self._is_taken:
            return
        if not self._messages or self._waiter is None or self._waiter.done():  # the client has left
            self._release()
            return
        self._is_taken = False  # the request stays in progress until aiohttp has responded
        self._wake()

    def _offer(self) -> None:
        """Offer the waiting request to the fast path; aiohttp's task handles it if the fast path does not accept it."""
        if not self._messages:
            return
        message, payload = self._messages[0]
        if self._may_be_fast(message, payload) and self._is_accepted(message):
            self._request_in_progress = True
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
            if self._manager is not None:
                self._manager.requests_count += 1
        else:
            self._wake()

    def _may_be_fast(self, message: Any, payload: Any) -> bool:
        return (
            self._fast_path is not None
            and not self._server.is_draining
            and not self._paused  # the client does not read its responses; aiohttp's task waits for it
            and payload is EMPTY_PAYLOAD
            and len(self._messages) == 1
            and isinstance(message, RawRequestMessage)
            and not message.should_close
            and not message.upgrade
        )

    def _is_accepted(self, message: Any) -> bool:
        assert self._fast_path is not None
        self._is_taken = True
        try:
            self._is_taken = self._fast_path.offer(message, self)
        except Exception:
            log.exception("the fast path failed at a request; the application handles it")
            self._is_taken = False
        return self._is_taken

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _release(self) -> None:
        self._is_taken = self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():  # aiohttp waits for it when it stops
            self._handler_waiter.set_result(None)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= 500 or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        manager = self._manager
        assert isinstance(manager, _Server)
        request_id = uuid.uuid4().hex
        log.info(
            "a request is not valid HTTP", extra={"fields": {"request_id": request_id, "reason": (message or "")[:100]}}
        )
        document = problems.of_status(status).document(request_id)
        response = web.Response(
            status=status,
            body=json.dumps(document).encode(),
            content_type=problems.CONTENT_TYPE,
            headers={"X-Request-ID": request_id, "X-Upstream": manager.instance_id},
        )
        response.force_close()
        return response


class _Server(web.Server):
    instance_id = ""
    fast_path: FastPath | None = None
    is_draining = False
    """While draining, each response closes its connection; idle connections stay open, because a client may just be
    sending."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def pre_shutdown(self) -> None:
        """Begin to drain, instead of closing the idle connections as aiohttp would do."""
        self.is_draining = True

    async def drain_connections(self) -> None:
        """Wait until all connections are closed, for the drain timeout at most; then close those that are idle."""
        for _ in range(round(DRAIN_TIMEOUT / _POLL_INTERVAL)):
            if not self.connections:
                return
            await asyncio.sleep(_POLL_INTERVAL)
        super().pre_shutdown()


class _Runner(web.AppRunner):
    def _reg_site(self, site: web.BaseSite) -> None:
        super()._reg_site(site)
        site._backlog = _BACKLOG  # noqa: SLF001  # gunicorn's worker creates the site with aiohttp's default of 128

    async def shutdown(self) -> None:
        await super().shutdown()
        if isinstance(self.server, _Server):
            await self.server.drain_connections()

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        server = _Server(plain.request_handler, request_factory=plain.request_factory, **plain._kwargs)  # noqa: SLF001
        server.instance_id = self.app[INSTANCE_ID]
        server.fast_path = self.app.get(FAST_PATH)
        return server
