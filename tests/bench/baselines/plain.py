"""A resolver as one writes it first: GET, then XADD, one command a request, by redis.asyncio."""

import os
import time
from pathlib import Path

from aiohttp import web

from shared.http.stores import REDIS, open_redis
from shared.process.settings import RedisSettings
from shared.redis import click_events
from tests.bench.links import YARDSTICK_DATABASE, baseline_key

STREAM = "clicks:plain"


async def serve() -> web.Application:
    """gunicorn starts it here."""
    app = web.Application()
    app.cleanup_ctx.append(open_redis(_redis_settings()))
    app.router.add_get("/{code}", _follow)
    return app


def _redis_settings() -> RedisSettings:
    url = Path(os.environ["REDIS_URL_FILE"]).read_text(encoding="utf-8").strip()
    return RedisSettings(url=f"{url.rpartition('/')[0]}/{YARDSTICK_DATABASE}", timeout=5.0)


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
