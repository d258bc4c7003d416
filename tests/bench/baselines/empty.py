"""The baseline "empty": aiohttp responds 302 to every path and does nothing else."""

from aiohttp import web

from tests.bench.links import TARGET


async def serve() -> web.Application:
    """The application that gunicorn serves."""
    app = web.Application()
    app.router.add_get("/{code}", _follow)
    return app


async def _follow(_request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": TARGET})
