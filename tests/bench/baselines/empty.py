"""What aiohttp costs at all: every path answers 302, and nothing else is done."""

from aiohttp import web

from tests.bench.links import TARGET


async def serve() -> web.Application:
    """gunicorn starts it here."""
    app = web.Application()
    app.router.add_get("/{code}", _follow)
    return app


async def _follow(_request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": TARGET})
