"""A service that stops loses nothing: it finishes its current batch or request."""

import asyncio

from services.writer.api_keys.creation import make_key
from shared.domain.codes import in_default_domain
from shared.postgres.pool import Database
from shared.postgres.tables import links, outbox
from shared.redis import click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from tests.integration.locks import waits_for_a_lock
from tests.integration.services import Start, every_service, get
from tests.support.builders import click_event, encoded, make_link, make_owner
from tests.support.network import refusing_port
from tests.support.waiting import until


@every_service
async def test_an_idle_service_stops(start: Start, service: str) -> None:
    client = await start(service)
    async with asyncio.timeout(10):
        await client.close()


@every_service
async def test_a_service_without_its_stores_stops(start_with_unavailable: Start, service: str) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable(service, "postgres, redis", port)
        async with asyncio.timeout(10):
            await client.close()


async def test_a_relay_that_stops_finishes_its_current_batch(
    start: Start, writer_database: Database, database: Database, redis: RedisClient
) -> None:
    client = await start("relay")
    async with database.transaction() as conn:
        await conn.execute("LOCK TABLE outbox IN SHARE MODE")  # reads are not blocked
        await until(lambda: waits_for_a_lock(database))
        await conn.execute("INSERT INTO outbox (domain, code, version) VALUES ('default', 'gone', 3)")
        stopping = asyncio.create_task(client.close())
    await stopping
    assert await redis.get(redis_keys.route(in_default_domain("gone"))) == b"3 0 -"
    assert await outbox.backlog(writer_database) == (0, 0.0)


async def test_a_consumer_that_stops_finishes_its_current_batch(
    start: Start, writer_database: Database, database: Database, redis: RedisClient
) -> None:
    link = await make_link(writer_database, owner_id=await make_owner(writer_database), code="abc")
    client = await start("consumer")
    async with database.transaction() as conn:
        await conn.execute("LOCK TABLE link_totals IN SHARE MODE")
        await redis.xadd(redis_keys.CLICK_STREAM, {click_stream.FIELD: encoded(click_event(link.id))})
        await until(lambda: waits_for_a_lock(database))
        stopping = asyncio.create_task(client.close())
    await stopping
    counted = await links.get(writer_database, in_default_domain("abc"))
    assert counted is not None
    assert counted.clicks == 1
    assert await redis.xlen(redis_keys.CLICK_STREAM) == 0


async def test_a_writer_that_stops_responds_to_its_current_request(
    start: Start, writer_database: Database, database: Database
) -> None:
    _, secret = await make_key(writer_database, name="key", scopes=["admin"])
    client = await start("writer")
    async with database.transaction() as conn:
        await conn.execute("LOCK TABLE links")
        request = asyncio.create_task(get(client, "/links", secret))
        await until(lambda: waits_for_a_lock(database))
        stopping = asyncio.create_task(client.server.close())
    assert (await request)[0] == 200
    await stopping
