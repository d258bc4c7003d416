"""Outbox messages are dequeued oldest first, each by one relay, and stay until Redis has confirmed them."""

import asyncio

import pytest

from services.writer.links import changes
from services.writer.redis_sync.relay import BATCH
from shared.domain.codes import in_default_domain
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Route
from shared.postgres.pool import Database
from shared.postgres.tables import outbox
from shared.redis.client import redis_client
from shared.redis.route_records import RouteRecords, route_of
from tests.integration.relaying import make_links, relay, relay_all, route_in_redis, waiting
from tests.integration.stores import Stores
from tests.support.builders import make_link
from tests.support.network import at_port, refusing_port, silent_port


async def test_while_redis_is_unavailable_messages_stay_and_are_published_later(
    writer_database: Database, records: RouteRecords, owner_id: int, stores: Stores
) -> None:
    link = await make_link(writer_database, owner_id=owner_id)
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as unavailable:
            with pytest.raises(StoreUnavailable):
                await relay(writer_database, RouteRecords(unavailable))
    assert await waiting(writer_database) == 1
    assert await relay(writer_database, records) == 1
    assert await route_in_redis(records, link.code) == route_of(link)


async def test_while_redis_does_not_reply_messages_stay(
    writer_database: Database, owner_id: int, stores: Stores
) -> None:
    await make_link(writer_database, owner_id=owner_id)
    with silent_port() as port:
        async with redis_client(at_port(stores.redis_settings(timeout=0.1), port)) as silent, asyncio.timeout(10):
            with pytest.raises(StoreUnavailable):
                await relay(writer_database, RouteRecords(silent))
    assert await waiting(writer_database) == 1


async def test_the_message_of_a_removal_that_redis_did_not_confirm_stays(
    writer_database: Database, records: RouteRecords, owner_id: int, stores: Stores
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    await relay(writer_database, records)
    await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    with refusing_port() as port:
        async with redis_client(at_port(stores.redis_settings(), port)) as unavailable:
            with pytest.raises(StoreUnavailable):
                await relay(writer_database, RouteRecords(unavailable))
    await relay(writer_database, records)
    assert await route_in_redis(records, "abc") == Route(version=2)


async def test_two_relays_at_once_publish_every_message_once(
    writer_database: Database, records: RouteRecords, owner_id: int
) -> None:
    made = await make_links(writer_database, owner_id, 30)
    counts = await asyncio.gather(relay_all(writer_database, records), relay_all(writer_database, records))
    assert sum(counts) == 30
    assert [await route_in_redis(records, link.code) for link in made] == [route_of(link) for link in made]


async def test_messages_that_one_relay_has_locked_are_skipped_by_another(
    writer_database: Database, owner_id: int
) -> None:
    await make_links(writer_database, owner_id, 3)
    async with writer_database.transaction() as one, writer_database.transaction() as other:
        locked = await outbox.dequeue(one, 2)
        rest = await outbox.dequeue(other, 10)
    assert [message.name.code for message in locked] == ["code-0", "code-1"]
    assert [message.name.code for message in rest] == ["code-2"]


async def test_messages_of_a_relay_that_died_are_there_again(writer_database: Database, owner_id: int) -> None:
    await make_links(writer_database, owner_id, 2)
    with pytest.raises(LookupError):  # noqa: PT012  # the end of the block may raise as well
        async with writer_database.transaction() as conn:
            await outbox.dequeue(conn, 10)
            raise LookupError
    assert await waiting(writer_database) == 2


async def test_messages_are_dequeued_oldest_first_up_to_the_limit(writer_database: Database, owner_id: int) -> None:
    await make_links(writer_database, owner_id, 4)
    async with writer_database.transaction() as conn:
        assert [message.name.code for message in await outbox.dequeue(conn, 3)] == ["code-0", "code-1", "code-2"]


async def test_more_messages_than_a_batch_are_relayed_in_several(
    writer_database: Database, records: RouteRecords
) -> None:
    await writer_database.execute(
        "INSERT INTO outbox (domain, code, version) SELECT 'default', 'code-' || n, 1 FROM generate_series(1, %s) n",
        [BATCH + 1],
    )
    assert await relay(writer_database, records) == BATCH
    assert await relay(writer_database, records) == 1


async def test_the_backlog_has_the_number_and_the_age_of_messages(
    writer_database: Database, owner_id: int, database: Database
) -> None:
    await make_links(writer_database, owner_id, 2)
    await database.execute("UPDATE outbox SET created_at = now() - interval '90 s' WHERE code = 'code-0'")
    count, age = await outbox.backlog(writer_database)
    assert count == 2
    assert 90 <= age < 600


async def test_an_empty_outbox_has_no_age(writer_database: Database) -> None:
    assert await outbox.backlog(writer_database) == (0, 0.0)
