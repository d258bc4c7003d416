"""Applications served like in gunicorn's worker, so with the fast path, and clients that send nginx's headers."""

from typing import Any, cast

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pytest_aiohttp import AiohttpClient

from shared.http.server import serve

Client = TestClient[web.Request, web.Application]

NGINX_HEADERS = {
    "X-Request-ID": "0123456789abcdef0123456789abcdef",
    "X-Request-Start": "1772366400.123",
    "X-Real-IP": "203.0.113.7",
}
"""The headers that nginx adds to a request. A request without them takes the application path."""


async def served(aiohttp_client: AiohttpClient, app: web.Application) -> Client:
    """A client of an application that `shared.http.server.serve` serves."""
    return cast("Client", await aiohttp_client(_Server(app), headers=NGINX_HEADERS))


class _Server(TestServer):
    async def _make_runner(self, **_options: Any) -> web.AppRunner:
        return serve(self.app)
