"""The baseline "plain": a simple resolver that does a GET and then an XADD by redis.asyncio, one command at a time."""

import os
import time
from pathlib import Path

from aiohttp import web

from shared.http.stores import REDIS, open_redis
from shared.process.settings import RedisSettings
from shared.redis import click_events
from tests.bench.links import BASELINE_DATABASE, baseline_key

STREAM = "clicks:plain"


async def serve() -> web.Application:
    """The application that gunicorn serves."""
    app = web.Application()
    app.cleanup_ctx.append(open_redis(_redis_settings()))
    app.router.add_get("/{code}", _follow)
    return app


def _redis_settings() -> RedisSettings:
    url = Path(os.environ["REDIS_URL_FILE"]).read_text(encoding="utf-8").strip()
    return RedisSettings(url=f"{url.rpartition('/')[0]}/{BASELINE_DATABASE}", timeout=5.0)


async def _follow(request: web.Request) -> web.Response:
    redis = request.app[REDIS]
    url = await redis.get(baseline_key(request.match_info["code"]))
    if url is None:
        raise web.HTTPNotFound
    headers = request.headers
    event = click_events.encode(
        event_id=headers["X-Request-ID"],
        at_ms=time.time_ns() // 1_000_000,
        link_id=1,
        address=headers.get("X-Real-IP", ""),
        user_agent=headers.get("User-Agent", ""),
        referrer=headers.get("Referer", ""),
    )
    await redis.xadd(STREAM, {"e": event})
    return web.Response(
        status=302,
        headers={
            "Location": str(url, "ascii") if isinstance(url, bytes) else url,
            "Cache-Control": "private, no-store",
        },
    )
