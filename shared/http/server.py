"""How gunicorn's worker serves an application: a short way for requests that have one, a problem for what is no HTTP.

Both need more of aiohttp's `RequestHandler` than it shows in public. What is used of it stands in `Connection` alone,
the version of aiohttp is pinned, and tests/unit/shared/test_serving.py asks a real socket for what has to hold.
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
"""Connections that may wait to be taken. A burst through nginx opens hundreds at once; TCP tries those that do not fit
again after a second, which is too late."""

DRAIN_TIMEOUT: Final = 3.0
"""How long idle connections are kept when a service ends. nginx closes those that are idle for 2 s (`keepalive_timeout`
of its upstreams): so it is never we who close one on which nginx is just sending a request that it must not repeat."""

_POLL_INTERVAL: Final = 0.05

_LINE_LIMIT: Final = 32_768
"""Longest request line and header that a service reads; nginx lets no longer one through."""


def serve(app: web.Application) -> web.AppRunner:
    """A runner for an application. The access log is nginx's."""
    return _Runner(
        app,
        access_log=None,
        keepalive_timeout=75,  # longer than nginx keeps a connection, so that it is nginx who closes
        shutdown_timeout=15,
        max_line_size=_LINE_LIMIT,
        max_field_size=_LINE_LIMIT,
    )


class FastPath(Protocol):
    """Answers some requests without a task, a request object and an application."""

    def take(self, message: RawRequestMessage, connection: "Connection") -> bool:
        """Whether the request is answered here: one of `respond` and `pass_to_application` is called, later, once."""


FAST_PATH = web.AppKey("FAST_PATH", FastPath)
"""What an application may set while it starts."""


class Connection(RequestHandler):
    """A connection with a client, which nearly always is nginx.

    A request that has a short way is taken there while it is the only one on its connection; its message stays first
    in aiohttp's queue until it is answered, so that it can still go the ordinary way. And a request that cannot be read
    gets a problem, not aiohttp's plain text; it never reaches an application, so no middleware can do this.
    """

    __slots__ = ("_is_taken", "_server", "_short_way")

    def __init__(self, manager: "_Server", **options: Any) -> None:
        super().__init__(manager, **options)
        self._server = manager
        self._short_way = manager.fast_path
        self._is_taken = False

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if self._server.is_draining and isinstance(resp, web.StreamResponse) and not resp.prepared:
            resp.force_close()
        return await super().finish_response(request, resp, start_time)

    def data_received(self, data: bytes) -> None:
        waiter = self._waiter
        if self._short_way is None or waiter is None or waiter.done():
            super().data_received(data)
            return
        self._waiter = None  # aiohttp wakes its task by this; first the short way is asked
        try:
            super().data_received(data)
        finally:
            self._waiter = waiter
        if not self._is_taken:
            self._offer()

    def answer(self, answer: bytes) -> None:
        """Send the answer of the request that was taken."""
        self._give_back()
        if self.transport is None:  # the client has left
            return
        self.transport.write(answer)
        self._messages.popleft()
        if self._parser is not None:
            self._parser.message_consumed()
        self._offer()

    def pass_to_application(self) -> None:
        """Hand the request that was taken to the application."""
        if not self._messages or self._waiter is None or self._waiter.done():  # the client has left
            self._give_back()
            return
        self._is_taken = False  # it stays under way, which aiohttp says itself once it is answered
        self._wake()

    def _offer(self) -> None:
        """Ask the short way for the request that waits; what it does not take, aiohttp's task does."""
        if not self._messages:
            return
        message, payload = self._messages[0]
        if (
            self._short_way is not None
            and not self._server.is_draining
            and not self._paused  # a client that reads no answers: aiohttp's task waits until it does
            and payload is EMPTY_PAYLOAD
            and len(self._messages) == 1
            and isinstance(message, RawRequestMessage)
            and not message.should_close
            and not message.upgrade
            and self._short_way.take(message, self)
        ):
            self._is_taken = self._request_in_progress = True
            self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout
            if self._manager is not None:
                self._manager.requests_count += 1
        else:
            self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _give_back(self) -> None:
        self._is_taken = self._request_in_progress = False
        if self._handler_waiter is not None and not self._handler_waiter.done():  # aiohttp waits here when it ends
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
        identity = uuid.uuid4().hex
        log.info(
            "a request that is no HTTP", extra={"fields": {"request_id": identity, "reason": (message or "")[:100]}}
        )
        document = problems.of_status(status).document(identity)
        response = web.Response(
            status=status,
            body=json.dumps(document).encode(),
            content_type=problems.CONTENT_TYPE,
            headers={"X-Request-ID": identity, "X-Upstream": manager.instance_id},
        )
        response.force_close()
        return response


class _Server(web.Server):
    instance_id = ""
    fast_path: FastPath | None = None
    is_draining = False
    """What still comes is answered, and told that it was the last: whoever is idle may just be sending a request."""

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)

    def pre_shutdown(self) -> None:
        """Close no idle connection yet, as aiohttp would."""
        self.is_draining = True

    async def drain_connections(self) -> None:
        """Wait until all connections have gone; close those that are still idle then."""
        looks = round(DRAIN_TIMEOUT / _POLL_INTERVAL)
        for _ in range(looks):
            if not self.connections:
                return
            await asyncio.sleep(_POLL_INTERVAL)
        super().pre_shutdown()


class _Runner(web.AppRunner):
    def _reg_site(self, site: web.BaseSite) -> None:
        super()._reg_site(site)
        site._backlog = _BACKLOG  # noqa: SLF001  # gunicorn's worker makes the site, and leaves aiohttp's 128

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
