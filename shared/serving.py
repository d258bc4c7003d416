"""How gunicorn's worker serves an application, and what it answers to what is no HTTP."""

import json
import logging
import uuid
from typing import Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from shared import problems
from shared.web import INSTANCE_ID

log = logging.getLogger(__name__)

_BACKLOG: Final = 4_096
"""Connections that may wait to be taken. A burst through nginx opens hundreds at once; TCP tries those that do not fit
again after a second, which is too late."""

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


class _Connection(RequestHandler):
    """A connection on which also a request that cannot be read gets a problem, not aiohttp's plain text.

    Such a request never reaches an application, so no middleware can do this; aiohttp has no public hook for it.
    """

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

    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Runner(web.AppRunner):
    def _reg_site(self, site: web.BaseSite) -> None:
        super()._reg_site(site)
        site._backlog = _BACKLOG  # noqa: SLF001  # gunicorn's worker makes the site, and leaves aiohttp's 128

    async def _make_server(self) -> web.Server:
        plain = await super()._make_server()
        server = _Server(plain.request_handler, request_factory=plain.request_factory, **plain._kwargs)  # noqa: SLF001
        server.instance_id = self.app[INSTANCE_ID]
        return server
