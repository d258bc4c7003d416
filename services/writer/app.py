"""The applications of the writer's processes: the API and the relay."""

from aiohttp import web

from services.writer.api_docs.handlers import open_api_docs
from services.writer.app_keys import NEW_LINK, ROUTE_RECORDS, SETTINGS, open_creation, open_records
from services.writer.links.schemas import NewLinkSchema
from services.writer.metrics import add_relay_metrics
from services.writer.redis_sync.recovery import INTERVAL, recover
from services.writer.redis_sync.relay import BATCH, relay_once
from services.writer.routes import OPERATIONS, ROUTES
from services.writer.settings import RelaySettings, WriterSettings
from shared.http.application import create_application
from shared.http.auth import auth_middleware
from shared.http.contract import scopes
from shared.http.startup import serve_from_env
from shared.http.stores import DATABASE, REDIS, open_database, open_redis
from shared.postgres.tables import idempotency
from shared.process.loops import background_loop

_CLEANING_INTERVAL = 3_600.0


def create_api(settings: WriterSettings) -> web.Application:
    """The API that creates and changes links."""
    app, _ = create_application(
        "writer",
        settings.instance,
        auth=auth_middleware(scopes(OPERATIONS), settings.limits),
        body_limit=settings.body_limit,
    )
    app[SETTINGS] = settings
    app[NEW_LINK] = NewLinkSchema(settings.targets)
    app.cleanup_ctx.extend(
        [
            open_database(settings.database),
            open_redis(settings.redis),
            open_records,
            open_creation(settings),
            open_api_docs(settings.public_url),
        ]
    )
    app.add_routes(ROUTES)
    return app


def create_relay(settings: RelaySettings) -> web.Application:
    """The loops that publish changes to Redis, with their own probes and metrics."""
    app, registry = create_application("relay", settings.instance)
    metrics = add_relay_metrics(app, registry)

    async def relay(app: web.Application) -> bool:
        count = await relay_once(app[DATABASE], app[ROUTE_RECORDS], link_lifetime=settings.link_lifetime)
        metrics.relayed(count)
        return count == BATCH

    app.cleanup_ctx.extend(
        [
            open_database(settings.database),
            open_redis(settings.redis),
            open_records,
            background_loop(relay, pause=settings.interval, name="relay"),
            background_loop(_recover, pause=INTERVAL, name="recovery"),
            background_loop(_delete_old_responses, pause=_CLEANING_INTERVAL, name="cleaning"),
        ]
    )
    return app


async def serve_api() -> web.AppRunner:
    """The entry point of gunicorn for the API."""
    return serve_from_env(WriterSettings, create_api)


async def serve_relay() -> web.AppRunner:
    """The entry point of gunicorn for the relay."""
    return serve_from_env(RelaySettings, create_relay)


async def _recover(app: web.Application) -> bool:
    await recover(app[DATABASE], app[REDIS])
    return False


async def _delete_old_responses(app: web.Application) -> bool:
    await idempotency.delete_old(app[DATABASE])
    return False
