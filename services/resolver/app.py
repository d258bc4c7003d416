"""A resolver's application. An application is a value, made from settings."""

import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace

from aiohttp import web

from services.resolver import handlers
from services.resolver.clicks.recorder import ClickRecorder
from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.spool import Spool
from services.resolver.clicks.stream_writer import StreamWriter
from services.resolver.fast_path.batch import FastPath
from services.resolver.fast_path.raw_connection import RawRedisConnection
from services.resolver.fast_path.responses import Responses
from services.resolver.lookup.circuit_breaker import CircuitBreaker
from services.resolver.lookup.lookup import Lookup
from services.resolver.metrics import RESOLVER_METRICS, ResolverMetrics
from services.resolver.routes import ROUTES
from services.resolver.settings import ResolverSettings
from shared.domain.codes import is_code
from shared.domain.errors import StoreUnavailable
from shared.http.application import create_application
from shared.http.middleware import INSTANCE_ID
from shared.http.probes import MIN_AVAILABLE_STORES
from shared.http.server import FAST_PATH
from shared.http.startup import serve_from_env
from shared.http.stores import DATABASE, REDIS, open_database, open_redis
from shared.process.loops import CleanupContext, background_loop
from shared.process.metrics import COLLECTORS, REQUEST_METRICS
from shared.redis.client import RedisClient, redis_client
from shared.redis.route_records import RouteRecords

log = logging.getLogger(__name__)

_DRAIN_INTERVAL = 0.5
_RECONCILE_INTERVAL = 0.5
_RECONNECT_INTERVAL = 0.25
BACKGROUND_TIMEOUT = 3.0
"""Seconds that Redis has for what no visitor waits for."""

BACKGROUND_REDIS = web.AppKey("BACKGROUND_REDIS", RedisClient)
STREAM_WRITER = web.AppKey("STREAM_WRITER", StreamWriter)
RAW_CONNECTION = web.AppKey("RAW_CONNECTION", RawRedisConnection)


def create_api(settings: ResolverSettings) -> web.Application:
    """A resolver, which is ready as long as one of its stores replies."""
    app, registry = create_application("resolver", settings.instance, page=handlers.page)
    app[MIN_AVAILABLE_STORES] = 1
    app[RESOLVER_METRICS] = ResolverMetrics(registry)
    app.cleanup_ctx.extend(
        [
            open_database(settings.database),
            open_redis(settings.redis),
            _open_background_redis(settings),
            _open_paths(settings),
            background_loop(_keep_raw_connection_open, pause=_RECONNECT_INTERVAL, name="raw_connection"),
            background_loop(_drain_spool, pause=_DRAIN_INTERVAL, name="spool"),
            background_loop(_reconcile, pause=_RECONCILE_INTERVAL, name="replay_buffer"),
        ]
    )
    app.add_routes(ROUTES)
    return app


async def serve_api() -> web.AppRunner:
    """The entry point of gunicorn for the resolver."""
    return serve_from_env(ResolverSettings, create_api)


def _open_background_redis(settings: ResolverSettings) -> CleanupContext:
    async def context(app: web.Application) -> AsyncIterator[None]:
        async with redis_client(replace(settings.redis, timeout=BACKGROUND_TIMEOUT)) as app[BACKGROUND_REDIS]:
            yield

    return context


def _open_paths(settings: ResolverSettings) -> CleanupContext:
    """What the fast path and the application path of a redirect need."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        circuit_breaker = CircuitBreaker()
        spool = Spool(settings.spool_folder, settings.spool_limit)
        replay_buffer = ReplayBuffer()
        stream_writer = app[STREAM_WRITER] = StreamWriter(app[BACKGROUND_REDIS], replay_buffer)
        lookup = app[handlers.LOOKUP] = Lookup(
            RouteRecords(app[REDIS]),
            app[DATABASE],
            circuit_breaker,
            link_lifetime=settings.link_lifetime,
            miss_lifetime=settings.miss_lifetime,
        )
        recorder = app[handlers.CLICK_RECORDER] = ClickRecorder(app[REDIS], spool, stream_writer, circuit_breaker)

        async def collect(app: web.Application) -> None:
            app[RESOLVER_METRICS].export(recorder, replay_buffer, spool)

        app[COLLECTORS].append(collect)
        connection = app[RAW_CONNECTION] = RawRedisConnection(app[REDIS], settings.redis.timeout)
        app[FAST_PATH] = FastPath(
            connection,
            stream_writer,
            replay_buffer,
            circuit_breaker,
            Responses(app[INSTANCE_ID]),
            literals=_literals(app),
            requests=app[REQUEST_METRICS],
            metrics=app[RESOLVER_METRICS],
        )
        with contextlib.suppress(StoreUnavailable):  # the loops try both again
            await connection.open()
            await stream_writer.reconcile()
        yield
        await lookup.finish()
        connection.close()
        spool.close()

    return context


def _literals(app: web.Application) -> frozenset[str]:
    """Paths of the service that look like codes."""
    paths = (resource.canonical.removeprefix("/") for resource in app.router.resources())
    return frozenset(path for path in paths if is_code(path))


async def _keep_raw_connection_open(app: web.Application) -> bool:
    await app[RAW_CONNECTION].open()
    return False


async def _drain_spool(app: web.Application) -> bool:
    if count := await app[handlers.CLICK_RECORDER].drain_spool():
        log.info("%d batches of clicks were moved from the spool into the stream", count)
    return False


async def _reconcile(app: web.Application) -> bool:
    await app[STREAM_WRITER].reconcile()
    return False
