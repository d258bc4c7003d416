"""The two processes of stats: its API, and the consumer. An application is a value, made from settings."""

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime

from aiohttp import web

from services.stats.counting.click_stream import ClickStream
from services.stats.counting.consumer import AdaptiveBatchSize, count_batch
from services.stats.counting.partitions import make_partitions
from services.stats.metrics import STREAM, ConsumerMetrics
from services.stats.reports import handlers
from services.stats.routes import OPERATIONS, ROUTES
from services.stats.settings import ConsumerSettings, StatsSettings
from shared.http.application import create_application
from shared.http.auth import auth_middleware
from shared.http.contract import scopes
from shared.http.server import serve
from shared.http.stores import DATABASE, REDIS, open_database, open_redis
from shared.process import logging as logs
from shared.process.loops import CleanupContext, background_loop
from shared.process.metrics import COLLECTORS

_PARTITIONS_INTERVAL = 3_600.0
_PAUSE_AFTER_FAILURE = 0.5


def create_api(settings: StatsSettings) -> web.Application:
    """The API that shows what was counted."""
    app, _ = create_application("stats", settings.instance, auth=auth_middleware(scopes(OPERATIONS), settings.limits))
    app[handlers.SETTINGS] = settings
    app.cleanup_ctx.append(open_database(settings.database))
    app.add_routes(ROUTES)
    return app


def create_consumer(settings: ConsumerSettings) -> web.Application:
    """The loop that counts clicks, with probes and metrics of its own."""
    app, registry = create_application("consumer", settings.instance)
    metrics = ConsumerMetrics(registry)
    secret = settings.visitor_secret.encode()
    batch_size = AdaptiveBatchSize()

    async def consume(app: web.Application) -> bool:
        metrics.counted(await count_batch(app[DATABASE], app[STREAM], secret, batch_size))
        return True  # the read itself waits when there is nothing

    app[COLLECTORS].append(metrics.read)
    app.cleanup_ctx.extend(
        [
            open_database(settings.database),
            open_redis(settings.redis),
            _open_stream(settings),
            background_loop(_make_partitions, pause=_PARTITIONS_INTERVAL, name="partitions"),
            background_loop(consume, pause=_PAUSE_AFTER_FAILURE, name="consumer"),
        ]
    )
    return app


async def serve_api() -> web.AppRunner:
    """gunicorn starts the API here."""
    settings = StatsSettings.from_env(os.environ)
    logs.configure(settings.instance.instance_id, settings.instance.log_level)
    return serve(create_api(settings))


async def serve_consumer() -> web.AppRunner:
    """gunicorn starts the consumer here."""
    settings = ConsumerSettings.from_env(os.environ)
    logs.configure(settings.instance.instance_id, settings.instance.log_level)
    return serve(create_consumer(settings))


def _open_stream(settings: ConsumerSettings) -> CleanupContext:
    async def context(app: web.Application) -> AsyncIterator[None]:
        app[STREAM] = ClickStream(
            app[REDIS],
            settings.instance.instance_id,
            batch_size=settings.batch_size,
            claim_after=settings.claim_after,
            timeout=settings.redis.timeout,
        )
        yield

    return context


async def _make_partitions(app: web.Application) -> bool:
    await make_partitions(app[DATABASE], datetime.now(UTC).date())
    return False
