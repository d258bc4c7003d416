"""The clicks of a deleted link are counted, those of a purged one are skipped."""

import asyncio

from services.stats.counting.consumer import BatchResult
from services.stats.counting.rollups import click_of, per_bucket
from services.stats.counting.stream_reader import StreamReader
from services.writer.links import changes
from shared.domain.codes import in_default_domain
from shared.domain.models import Link
from shared.postgres.pool import Database
from shared.postgres.tables import clicks
from shared.redis.client import RedisClient
from tests.integration.counting import add, count_batch, counted_once, in_buckets, rows, total
from tests.integration.locks import waits_for_a_lock
from tests.support.builders import VISITOR_SECRET, click_event, make_link, make_owner
from tests.support.waiting import until


async def test_the_clicks_of_a_purged_link_are_skipped(
    stats_database: Database, writer_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    await add(redis, click_event(link.id))
    assert await count_batch(stats_database, stream) == BatchResult(entries=1, counted=0, skipped=1, dead_letters=0)
    assert await rows(stats_database) == 0


async def test_the_clicks_of_a_purged_link_do_not_keep_others_from_being_counted(
    stats_database: Database, writer_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    gone = await make_link(writer_database, owner_id=await make_owner(writer_database), code="gone")
    await changes.purge(writer_database, in_default_domain("gone"), based_on=None)
    await add(redis, click_event(gone.id, 1), click_event(link.id, 2))
    await count_batch(stats_database, stream)
    assert await total(stats_database) == 1


async def test_the_clicks_of_a_deleted_link_are_counted(
    stats_database: Database, writer_database: Database, redis: RedisClient, stream: StreamReader, link: Link
) -> None:
    await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    await add(redis, click_event(link.id))
    await count_batch(stats_database, stream)
    await counted_once(stats_database)


async def test_clicks_counted_during_a_purge_are_removed_by_it(
    stats_database: Database, writer_database: Database, link: Link, database: Database
) -> None:
    async with stats_database.transaction() as conn:
        fresh = await clicks.insert_new(conn, [click_of(click_event(link.id), VISITOR_SECRET)])
        purging = asyncio.create_task(changes.purge(writer_database, in_default_domain("abc"), based_on=None))
        await until(lambda: _waits_or_is_done(database, purging))
        await clicks.add_counts(conn, per_bucket(fresh))
    await purging
    assert await rows(stats_database) == 0
    assert await in_buckets(stats_database) == {}


async def _waits_or_is_done(database: Database, task: asyncio.Task[Link]) -> bool:
    return task.done() or await waits_for_a_lock(database)
