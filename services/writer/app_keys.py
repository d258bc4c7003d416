"""The typed keys of the writer's applications, and the cleanup contexts that store objects under them."""

from collections.abc import AsyncIterator

from aiohttp import web

from services.writer.links.group_commit import GroupCommit
from services.writer.links.schemas import NewLinkSchema
from services.writer.redis_sync.publisher import Publisher
from services.writer.settings import WriterSettings
from shared.http.stores import DATABASE, REDIS
from shared.process.loops import CleanupContext
from shared.redis.route_records import RouteRecords

SETTINGS = web.AppKey("SETTINGS", WriterSettings)
ROUTE_RECORDS = web.AppKey("ROUTE_RECORDS", RouteRecords)

GROUP_COMMIT = web.AppKey("GROUP_COMMIT", GroupCommit)
PUBLISHER = web.AppKey("PUBLISHER", Publisher)
NEW_LINK = web.AppKey("NEW_LINK", NewLinkSchema)


async def open_records(app: web.Application) -> AsyncIterator[None]:
    """A cleanup context that stores the route records of REDIS under ROUTE_RECORDS."""
    app[ROUTE_RECORDS] = RouteRecords(app[REDIS])
    yield


def open_creation(settings: WriterSettings) -> CleanupContext:
    """A cleanup context that stores the group commit and the publisher under GROUP_COMMIT and PUBLISHER."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        app[GROUP_COMMIT] = GroupCommit(app[DATABASE])
        app[PUBLISHER] = Publisher(app[ROUTE_RECORDS], settings.link_lifetime)
        yield

    return context
