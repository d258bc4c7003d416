"""/health, /ready and /metrics, the same for every process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aioprometheus.renderer import render

from shared.domain.errors import StoreUnavailable
from shared.http.json import json_response
from shared.http.middleware import INSTANCE_ID
from shared.http.stores import DATABASE, REDIS
from shared.process.metrics import COLLECTORS, REGISTRY, REQUEST_METRICS
from shared.process.version import VERSION
from shared.redis.client import redis_errors

log = logging.getLogger(__name__)

SERVICE = web.AppKey("SERVICE", str)
ENOUGH_STORES = web.AppKey("ENOUGH_STORES", int)
"""How many of the stores that a service uses have to answer for it to be ready."""

_PROBE_TIMEOUT: Final = 2.0


async def health(request: web.Request) -> web.Response:
    """Whether this process lives."""
    app = request.app
    return json_response(
        {"status": "ok", "service": app[SERVICE], "instance": app[INSTANCE_ID], "version": VERSION},
        headers={"Cache-Control": "no-store"},
    )


async def ready(request: web.Request) -> web.Response:
    """Whether this process can do its work: 200, or 503 with what is away."""
    app = request.app
    probes: dict[str, Callable[[], Awaitable[object]]] = {}
    if DATABASE in app:
        probes["postgres"] = app[DATABASE].ping
    if REDIS in app:
        probes["redis"] = app[REDIS].ping
    answers = await asyncio.gather(*(_answers(probe) for probe in probes.values()))
    is_ready = sum(answers) >= app.get(ENOUGH_STORES, len(probes))
    document = {
        "status": "ready" if is_ready else "unavailable",
        "service": app[SERVICE],
        "instance": app[INSTANCE_ID],
        "stores": {name: "ok" if answer else "away" for name, answer in zip(probes, answers, strict=True)},
    }
    status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
    headers = {"Cache-Control": "no-store"} | ({} if is_ready else {"Retry-After": "2"})
    return json_response(document, status=status, headers=headers)


async def metrics(request: web.Request) -> web.Response:
    """What Prometheus scrapes. A reading that fails leaves its last value and is logged."""
    app = request.app
    for reading in app[COLLECTORS]:
        try:
            await reading(app)
        except StoreUnavailable as fault:
            log.warning("metrics: %s", fault.detail)
    app[REQUEST_METRICS].export()
    content, headers = render(app[REGISTRY], request.headers.getall("Accept", []))
    return web.Response(body=content, headers=headers)


async def _answers(probe: Callable[[], Awaitable[object]]) -> bool:
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
