"""The relay publishes the latest version of a link, and its removal."""

from datetime import UTC, datetime, timedelta

import pytest

from services.writer.links import changes
from shared.domain.codes import in_default_domain
from shared.domain.models import Route
from shared.postgres.pool import Database
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import RouteRecords, route_of
from tests.integration.relaying import LIFETIME, relay, route_in_redis, waiting
from tests.support.builders import make_link


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


async def test_a_malformed_record_in_redis_does_not_stop_the_relay(
    writer_database: Database, records: RouteRecords, owner_id: int, redis: RedisClient
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, code="abc")
    await redis.set(redis_keys.route(in_default_domain("abc")), b"junk")
    await relay(writer_database, records)
    assert await route_in_redis(records, "abc") == route_of(link)
