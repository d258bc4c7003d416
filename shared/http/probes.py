"""The endpoints /health, /ready and /metrics of every process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aioprometheus.renderer import render

from shared.domain.errors import StoreUnavailable
from shared.http.caching import NO_STORE
from shared.http.json import json_response
from shared.http.middleware import INSTANCE_ID
from shared.http.problems import RETRY_AFTER_SECONDS
from shared.http.stores import DATABASE, REDIS
from shared.process.metrics import COLLECTORS, REGISTRY, REQUEST_METRICS
from shared.process.version import VERSION
from shared.redis.client import redis_errors

log = logging.getLogger(__name__)

SERVICE = web.AppKey("SERVICE", str)
MIN_AVAILABLE_STORES = web.AppKey("MIN_AVAILABLE_STORES", int)
"""How many of its stores have to be available for a service to be ready (default: all)."""

_PROBE_TIMEOUT: Final = 2.0


async def health(request: web.Request) -> web.Response:
    """Liveness: 200 while the process runs."""
    app = request.app
    return json_response(
        {"status": "ok", "service": app[SERVICE], "instance": app[INSTANCE_ID], "version": VERSION},
        headers={"Cache-Control": NO_STORE},
    )


async def ready(request: web.Request) -> web.Response:
    """Readiness: 200, or 503 when too many of the stores are unavailable; the body names the state of each store."""
    app = request.app
    probes: dict[str, Callable[[], Awaitable[object]]] = {}
    if DATABASE in app:
        probes["postgres"] = app[DATABASE].ping
    if REDIS in app:
        probes["redis"] = app[REDIS].ping
    available = await asyncio.gather(*(_is_available(probe) for probe in probes.values()))
    is_ready = sum(available) >= app.get(MIN_AVAILABLE_STORES, len(probes))
    document = {
        "status": "ready" if is_ready else "unavailable",
        "service": app[SERVICE],
        "instance": app[INSTANCE_ID],
        "stores": {name: "ok" if is_ok else "unavailable" for name, is_ok in zip(probes, available, strict=True)},
    }
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Cache-Control": NO_STORE} | ({} if is_ready else {"Retry-After": str(RETRY_AFTER_SECONDS)})
    return json_response(document, status=status, headers=headers)


async def metrics(request: web.Request) -> web.Response:
    """The metrics for Prometheus. A collector that fails is logged, and its metric keeps its last value."""
    app = request.app
    for collect in app[COLLECTORS]:
        try:
            await collect(app)
        except StoreUnavailable as fault:
            log.warning("metrics: %s", fault.detail)
    app[REQUEST_METRICS].export()
    content, headers = render(app[REGISTRY], request.headers.getall("Accept", []))
    return web.Response(body=content, headers=headers)


async def _is_available(probe: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT):
            with redis_errors():
                await probe()
    except (StoreUnavailable, TimeoutError):
        return False
    return True


PROBES: Final = [
    web.get("/health", health, name="health"),
    web.get("/ready", ready, name="ready"),
    web.get("/metrics", metrics, name="metrics"),
]
