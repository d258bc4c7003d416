"""A link with `max_clicks` gives that many permits, also to simultaneous visitors."""

import asyncio

from services.writer.links import changes
from shared.domain.codes import in_default_domain
from shared.postgres.pool import Database
from shared.postgres.tables import links, permits
from tests.integration.locks import waits_for_a_lock
from tests.support.builders import make_link
from tests.support.waiting import until


async def test_of_fifty_simultaneous_requests_for_a_permit_max_clicks_succeed(
    writer_database: Database, resolver_database: Database, owner_id: int
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, max_clicks=7)
    taken = await asyncio.gather(*(permits.take_permit(resolver_database, link.id) for _ in range(50)))
    assert taken.count(True) == 7


async def test_a_permit_is_left_until_all_are_used_up(
    writer_database: Database, resolver_database: Database, owner_id: int
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, max_clicks=2)
    left = [await permits.permit_left(resolver_database, link.id)]
    for _ in range(2):
        await permits.take_permit(resolver_database, link.id)
        left.append(await permits.permit_left(resolver_database, link.id))
    assert left == [True, True, False]


async def test_permit_left_uses_up_no_permit(
    writer_database: Database, resolver_database: Database, owner_id: int
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, max_clicks=1)
    await permits.permit_left(resolver_database, link.id)
    assert await permits.take_permit(resolver_database, link.id)


async def test_raised_max_clicks_give_more_permits(
    writer_database: Database, resolver_database: Database, owner_id: int
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, code="abc", max_clicks=1)
    await permits.take_permit(resolver_database, link.id)
    await changes.change(writer_database, in_default_domain("abc"), {"max_clicks": 2}, based_on=None)
    taken = [await permits.take_permit(resolver_database, link.id) for _ in range(2)]
    assert taken == [True, False]


async def test_max_clicks_below_the_used_permits_give_no_permit(
    writer_database: Database, resolver_database: Database, owner_id: int
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, code="abc", max_clicks=5)
    for _ in range(3):
        await permits.take_permit(resolver_database, link.id)
    await changes.change(writer_database, in_default_domain("abc"), {"max_clicks": 1}, based_on=None)
    assert not await permits.take_permit(resolver_database, link.id)


async def test_a_link_without_max_clicks_always_has_a_permit(
    writer_database: Database, resolver_database: Database, owner_id: int
) -> None:
    link = await make_link(writer_database, owner_id=owner_id)
    assert all([await permits.take_permit(resolver_database, link.id) for _ in range(3)])
    assert await permits.permit_left(resolver_database, link.id)


async def test_a_link_that_does_not_exist_has_no_permit(resolver_database: Database) -> None:
    assert not await permits.take_permit(resolver_database, 1)
    assert not await permits.permit_left(resolver_database, 1)


async def test_a_link_that_is_being_purged_gives_no_permit(
    writer_database: Database, resolver_database: Database, owner_id: int, database: Database
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, max_clicks=7)
    async with writer_database.transaction() as conn:
        await links.purge(conn, link)
        taking = asyncio.create_task(permits.take_permit(resolver_database, link.id))
        await until(lambda: waits_for_a_lock(database))
    assert not await taking
