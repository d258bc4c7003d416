"""A resolver. An application is a value, made from settings."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import replace

from aiohttp import web

from services.resolver import handlers
from services.resolver.clicks.recorder import Clicks
from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.spool import Spool
from services.resolver.fast_path.answering import Answering
from services.resolver.fast_path.batch import FastPath
from services.resolver.fast_path.raw_connection import RedisPipe
from services.resolver.fast_path.responses import PlainAnswers
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.resolver.lookup.lookup import Lookup
from services.resolver.metrics import RESOLVER_METRICS, ResolverMetrics
from services.resolver.routes import ROUTES
from services.resolver.settings import ResolverSettings
from shared.domain.codes import is_code
from shared.domain.errors import StoreUnavailable
from shared.http.application import create_application
from shared.http.middleware import INSTANCE_ID
from shared.http.probes import ENOUGH_STORES
from shared.http.server import FAST_PATH, serve
from shared.http.stores import DATABASE, REDIS, open_database, open_redis
from shared.process import logging as logs
from shared.process.loops import CleanupContext, background_loop
from shared.process.metrics import COLLECTORS, REQUEST_METRICS
from shared.redis.client import RedisClient, redis_client
from shared.redis.route_records import RouteRecords

_DRAIN_INTERVAL = 0.5
_RECONCILE_INTERVAL = 0.5
_PATIENCE = 3.0
"""Seconds that Redis has where no visitor waits."""

BACKGROUND_REDIS = web.AppKey("BACKGROUND_REDIS", RedisClient)
REPLAY_BUFFER = web.AppKey("REPLAY_BUFFER", ReplayBuffer)
_PIPE_INTERVAL = 0.25

PIPE = web.AppKey("PIPE", RedisPipe)


def create_api(settings: ResolverSettings) -> web.Application:
    """A resolver, ready as long as one of its stores answers."""
    app, registry = create_application("resolver", settings.instance, page=handlers.page)
    app[ENOUGH_STORES] = 1
    app[RESOLVER_METRICS] = ResolverMetrics(registry)
    app.cleanup_ctx.extend(
        [
            open_database(settings.database),
            open_redis(settings.redis),
            _open_background_redis(settings),
            _open_lookup_and_clicks(settings),
            background_loop(_keep_pipe_open, pause=_PIPE_INTERVAL, name="pipe"),
            background_loop(_drain_spool, pause=_DRAIN_INTERVAL, name="spool"),
            background_loop(_reconcile_replay_buffer, pause=_RECONCILE_INTERVAL, name="replay_buffer"),
        ]
    )
    app.add_routes(ROUTES)
    return app


async def serve_api() -> web.AppRunner:
    """gunicorn starts a resolver here."""
    settings = ResolverSettings.from_env(os.environ)
    logs.configure(settings.instance.instance_id, settings.instance.log_level)
    return serve(create_api(settings))


def _open_background_redis(settings: ResolverSettings) -> CleanupContext:
    async def context(app: web.Application) -> AsyncIterator[None]:
        async with redis_client(replace(settings.redis, timeout=_PATIENCE)) as app[BACKGROUND_REDIS]:
            yield

    return context


def _open_lookup_and_clicks(settings: ResolverSettings) -> CleanupContext:
    async def context(app: web.Application) -> AsyncIterator[None]:
        circuit_breaker = CircuitBreaker()
        spool = Spool(settings.spool_folder, settings.spool_limit)
        replay_buffer = app[REPLAY_BUFFER] = ReplayBuffer(app[BACKGROUND_REDIS])
        lookup = app[handlers.LOOKUP] = Lookup(
            RouteRecords(app[REDIS]),
            app[DATABASE],
            circuit_breaker,
            link_lifetime=settings.link_lifetime,
            miss_lifetime=settings.miss_lifetime,
        )
        clicks = app[handlers.CLICKS] = Clicks(app[REDIS], spool, replay_buffer, circuit_breaker)

        async def read(app: web.Application) -> None:
            app[RESOLVER_METRICS].export(clicks, replay_buffer, spool)

        app[COLLECTORS].append(read)
        pipe = app[PIPE] = RedisPipe(app[REDIS], settings.redis.timeout)
        app[FAST_PATH] = _short_way(app, pipe, replay_buffer, circuit_breaker)
        with contextlib.suppress(StoreUnavailable):  # both are tried again, see the loops
            await pipe.open()
            await replay_buffer.reconcile()
        yield
        await lookup.finish()
        pipe.close()
        spool.close()

    return context


def _short_way(
    app: web.Application, pipe: RedisPipe, replay_buffer: ReplayBuffer, circuit_breaker: CircuitBreaker
) -> FastPath:
    answers = PlainAnswers(app[INSTANCE_ID])
    now = asyncio.get_running_loop().time
    answering = Answering(
        pipe,
        replay_buffer,
        circuit_breaker,
        answers,
        requests=app[REQUEST_METRICS],
        metrics=app[RESOLVER_METRICS],
        now=now,
    )
    return FastPath(pipe, replay_buffer, circuit_breaker, answering, literals=_literals(app), now=now)


def _literals(app: web.Application) -> frozenset[str]:
    """Paths of the service that look like codes."""
    paths = (resource.canonical.removeprefix("/") for resource in app.router.resources())
    return frozenset(path for path in paths if is_code(path))


async def _keep_pipe_open(app: web.Application) -> bool:
    await app[PIPE].open()
    return False


async def _drain_spool(app: web.Application) -> bool:
    await app[handlers.CLICKS].drain_spool()
    return False


async def _reconcile_replay_buffer(app: web.Application) -> bool:
    await app[REPLAY_BUFFER].reconcile()
    return False
