"""The two processes of the stats service: the API and the consumer, each an application made from its settings."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from aiohttp import web

from services.stats.counting.batch_size import AdaptiveBatchSize
from services.stats.counting.consumer import count_batch
from services.stats.counting.dead_letters import FormerDeadLetters
from services.stats.counting.partitions import make_partitions
from services.stats.counting.stream_reader import StreamReader
from services.stats.metrics import STREAM, ConsumerMetrics
from services.stats.reports import handlers
from services.stats.routes import OPERATIONS, ROUTES
from services.stats.settings import ConsumerSettings, StatsSettings
from shared.http.application import create_application
from shared.http.auth import auth_middleware
from shared.http.contract import scopes
from shared.http.startup import serve_from_env
from shared.http.stores import DATABASE, REDIS, open_database, open_redis
from shared.process.loops import CleanupContext, background_loop
from shared.process.metrics import COLLECTORS

_PARTITIONS_INTERVAL = 3_600.0
_PAUSE_AFTER_FAILURE = 0.5


def create_api(settings: StatsSettings) -> web.Application:
    """The API that reports clicks."""
    app, _ = create_application("stats", settings.instance, auth=auth_middleware(scopes(OPERATIONS), settings.limits))
    app[handlers.SETTINGS] = settings
    app.cleanup_ctx.append(open_database(settings.database))
    app.add_routes(ROUTES)
    return app


def create_consumer(settings: ConsumerSettings) -> web.Application:
    """The loop that counts clicks, with its own probes and metrics."""
    app, registry = create_application("consumer", settings.instance)
    metrics = ConsumerMetrics(registry)
    secret = settings.visitor_secret.encode()
    batch_size = AdaptiveBatchSize()
    former_dead_letters = FormerDeadLetters()

    async def consume(app: web.Application) -> bool:
        await former_dead_letters.move_if_due(app[REDIS])
        metrics.record(await count_batch(app[DATABASE], app[STREAM], secret, batch_size))
        return True  # no pause: a read waits by itself while the stream is empty

    app[COLLECTORS].append(metrics.collect)
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
    """The entry point of gunicorn for the API."""
    return serve_from_env(StatsSettings, create_api)


async def serve_consumer() -> web.AppRunner:
    """The entry point of gunicorn for the consumer."""
    return serve_from_env(ConsumerSettings, create_consumer)


def _open_stream(settings: ConsumerSettings) -> CleanupContext:
    async def context(app: web.Application) -> AsyncIterator[None]:
        app[STREAM] = StreamReader(
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
