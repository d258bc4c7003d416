import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.writer.links import changes
from services.writer.redis_sync.relay import BATCH, relay_once
from shared.domain.codes import in_default_domain
from shared.domain.errors import StoreUnavailable
from shared.domain.models import Link, Route
from shared.postgres.pool import Database
from shared.postgres.tables import outbox
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient, redis_client
from shared.redis.route_records import RouteRecords, decode, route_of
from tests.integration.conftest import Stores
from tests.support.builders import make_link
from tests.support.network import at_port, refusing_port, silent_port

LIFETIME = 600


async def relay(database: Database, records: RouteRecords) -> int:
    return await relay_once(database, records, link_lifetime=LIFETIME)


async def relay_all(database: Database, records: RouteRecords) -> int:
    """Relay until the outbox is empty; the number of messages."""
    total = 0
    while count := await relay(database, records):
        total += count
    return total


async def route_in_redis(records: RouteRecords, code: str) -> Route | None:
    (record,) = await records.get([in_default_domain(code)])
    return None if record is None else decode(record)


async def waiting(database: Database) -> int:
    count, _ = await outbox.backlog(database)
    return count


async def make_links(database: Database, owner_id: int, count: int) -> list[Link]:
    return [await make_link(database, owner_id=owner_id, code=f"code-{number}") for number in range(count)]


async def test_a_new_link_is_published(writer_database: Database, records: RouteRecords, owner_id: int) -> None:
    link = await make_link(writer_database, owner_id=owner_id, url="https://例え.jp/ü", redirect_status=308)
    assert await relay(writer_database, records) == 1
    assert await route_in_redis(records, link.code) == route_of(link)


async def test_a_link_with_conditions_is_published(
    writer_database: Database, records: RouteRecords, owner_id: int
) -> None:
    moment = datetime.now(UTC) + timedelta(days=1)
    link = await make_link(
        writer_database,
        owner_id=owner_id,
        valid_until=moment,
        max_clicks=3,
        expired_url="https://example.com/gone",
        forward_query=True,
    )
    await relay(writer_database, records)
    assert await route_in_redis(records, link.code) == route_of(link)


async def test_a_relayed_record_lives_for_the_lifetime_of_links(
    writer_database: Database, records: RouteRecords, owner_id: int, redis: RedisClient
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    await relay(writer_database, records)
    assert 0 < await redis.ttl(redis_keys.route(in_default_domain("abc"))) <= LIFETIME


async def test_a_relayed_message_is_deleted(writer_database: Database, records: RouteRecords, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id)
    await relay(writer_database, records)
    assert await waiting(writer_database) == 0
    assert await relay(writer_database, records) == 0


async def test_of_several_changes_the_latest_is_published(
    writer_database: Database, records: RouteRecords, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    changed = await changes.change(
        writer_database, in_default_domain("abc"), {"url": "https://example.com/new"}, based_on=None
    )
    assert await relay(writer_database, records) == 2
    assert await route_in_redis(records, "abc") == route_of(changed)


@pytest.mark.parametrize("batches", [1, 2])
async def test_the_record_of_a_deleted_link_is_not_live(
    writer_database: Database, records: RouteRecords, owner_id: int, batches: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    if batches == 2:
        await relay(writer_database, records)
    await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    await relay(writer_database, records)
    route = await route_in_redis(records, "abc")
    assert route is not None
    assert not route.live


async def test_the_record_of_a_disabled_link_is_not_live(
    writer_database: Database, records: RouteRecords, owner_id: int
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, enabled=False)
    await relay(writer_database, records)
    assert await route_in_redis(records, link.code) == Route(version=1, link_id=link.id)


async def test_a_purged_link_becomes_a_removal_that_is_newer_than_its_record(
    writer_database: Database, records: RouteRecords, owner_id: int
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, code="abc")
    await relay(writer_database, records)
    await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    await relay(writer_database, records)
    assert await route_in_redis(records, "abc") == Route(version=link.version + 1)


async def test_a_purged_code_that_is_assigned_again_redirects_to_its_new_link(
    writer_database: Database, records: RouteRecords, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    await relay(writer_database, records)
    again = await make_link(writer_database, owner_id=owner_id, code="abc", url="https://example.com/again")
    await relay(writer_database, records)
    assert await route_in_redis(records, "abc") == route_of(again)


async def test_a_purge_and_a_new_link_in_one_batch_publish_the_new_link(
    writer_database: Database, records: RouteRecords, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    again = await make_link(writer_database, owner_id=owner_id, code="abc", url="https://example.com/again")
    assert await relay(writer_database, records) == 3
    assert await route_in_redis(records, "abc") == route_of(again)


async def test_a_late_message_undoes_no_change(writer_database: Database, records: RouteRecords, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    changed = await changes.change(
        writer_database, in_default_domain("abc"), {"url": "https://example.com/new"}, based_on=None
    )
    await relay(writer_database, records)
    await writer_database.execute("INSERT INTO outbox (domain, code, version) VALUES ('default', 'abc', 1)")
    await relay(writer_database, records)
    assert await route_in_redis(records, "abc") == route_of(changed)


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


async def test_a_malformed_record_in_redis_does_not_stop_the_relay(
    writer_database: Database, records: RouteRecords, owner_id: int, redis: RedisClient
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, code="abc")
    await redis.set(redis_keys.route(in_default_domain("abc")), b"junk")
    await relay(writer_database, records)
    assert await route_in_redis(records, "abc") == route_of(link)


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
