import asyncio
import itertools
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.resolver.handlers import RequestVisit
from services.resolver.redirects.decision import Refusal, decide
from services.writer.links import changes
from shared.domain.codes import DEFAULT_DOMAIN, in_default_domain
from shared.domain.errors import CodeTaken, ExternalIdTaken, LinkNotFound
from shared.domain.models import Link, LinkOptions, NewLink
from shared.postgres.pool import Database
from shared.postgres.tables import links, new_links, permits
from shared.redis.route_records import route_of
from tests.integration.locks import waits_for_a_lock
from tests.support.builders import NOON, click_event, count_clicks, make_link, make_owner
from tests.support.waiting import until

URL = "https://example.com/"
NOW = datetime.now(UTC)
LATER, EARLIER = NOW + timedelta(days=1), NOW - timedelta(days=1)

EVERY_OPTION: dict[str, Any] = {
    "url": "https://例え.jp/ü?q=ä#ö",
    "title": "A title 😀",
    "notes": "two\nlines",
    "tags": ("one", "zwei, drei", 'a "quote"', "100%"),
    "redirect_status": 308,
    "valid_since": NOON,
    "valid_until": NOON + timedelta(microseconds=1),
    "max_clicks": 2**53 - 1,
    "expired_url": "https://example.com/gone",
    "forward_query": True,
    "enabled": False,
    "external_id": "their-own-7",
}


async def insert(database: Database, code: str, owner_id: int, **options: Any) -> Link | None:
    async with database.transaction() as conn:
        row = new_links.NewRow(in_default_domain(code), owner_id, LinkOptions(**{"url": URL, **options}))
        return (await new_links.insert(conn, [row])).get(in_default_domain(code))


async def found(database: Database, code: str) -> Link:
    link = await links.get(database, in_default_domain(code))
    assert link is not None
    return link


async def rows_of(database: Database, table: str) -> int:
    row = await database.fetch_one(f"SELECT count(*) AS n FROM {table}")
    assert row is not None
    return int(row["n"])


async def test_a_link_is_found_as_it_was_created(writer_database: Database, owner_id: int) -> None:
    made = await insert(writer_database, "abc", owner_id, **EVERY_OPTION)
    assert made is not None
    assert made.options == LinkOptions(**EVERY_OPTION)
    assert await found(writer_database, "abc") == made


async def test_a_new_link_is_active_at_version_one_without_clicks(writer_database: Database, owner_id: int) -> None:
    link = await make_link(writer_database, owner_id=owner_id)
    assert (link.status, link.version, link.clicks) == ("active", 1, 0)


async def test_a_taken_code_is_not_assigned_again(writer_database: Database, owner_id: int) -> None:
    first = await insert(writer_database, "abc", owner_id)
    assert await insert(writer_database, "abc", owner_id, url="https://other.example/") is None
    assert await found(writer_database, "abc") == first


async def test_codes_that_differ_by_case_are_different(writer_database: Database, owner_id: int) -> None:
    await insert(writer_database, "abc", owner_id)
    assert await insert(writer_database, "ABC", owner_id) is not None


async def test_of_many_simultaneous_requests_for_one_code_one_succeeds(
    writer_database: Database, owner_id: int
) -> None:
    made = await asyncio.gather(*(insert(writer_database, "abc", owner_id) for _ in range(20)))
    assert len([link for link in made if link]) == 1


async def test_a_requested_code_that_is_taken_raises_code_taken(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    with pytest.raises(CodeTaken):
        await make_link(writer_database, owner_id=owner_id, code="abc")


async def test_the_code_of_a_deleted_link_is_not_assigned_again(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    with pytest.raises(CodeTaken):
        await make_link(writer_database, owner_id=owner_id, code="abc")


async def test_a_taken_external_id_is_not_assigned_again(writer_database: Database, owner_id: int) -> None:
    await insert(writer_database, "abc", owner_id, external_id="mine")
    assert await insert(writer_database, "def", owner_id, external_id="mine") is None


async def test_of_many_simultaneous_requests_for_one_external_id_one_succeeds(
    writer_database: Database, owner_id: int
) -> None:
    results = await asyncio.gather(
        *(make_link(writer_database, owner_id=owner_id, external_id="mine") for _ in range(10)), return_exceptions=True
    )
    assert [type(result) for result in results if not isinstance(result, Link)] == [ExternalIdTaken] * 9


async def test_a_change_to_a_taken_external_id_raises_external_id_taken(
    writer_database: Database, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, external_id="mine")
    await make_link(writer_database, owner_id=owner_id, code="abc")
    with pytest.raises(ExternalIdTaken):
        await changes.change(writer_database, in_default_domain("abc"), {"external_id": "mine"}, based_on=None)


@pytest.mark.parametrize("name", EVERY_OPTION)
async def test_an_option_can_be_changed_and_changed_back(writer_database: Database, owner_id: int, name: str) -> None:
    plain = await make_link(writer_database, owner_id=owner_id, code="abc")
    changed = await changes.change(writer_database, in_default_domain("abc"), {name: EVERY_OPTION[name]}, based_on=None)
    assert changed.options == replace(plain.options, **{name: EVERY_OPTION[name]})
    assert await found(writer_database, "abc") == changed
    back = await changes.change(
        writer_database, in_default_domain("abc"), {name: getattr(plain.options, name)}, based_on=None
    )
    assert back.options == plain.options


async def test_every_change_is_a_new_version(writer_database: Database, owner_id: int) -> None:
    made = await make_link(writer_database, owner_id=owner_id, code="abc")
    changed = await changes.change(writer_database, in_default_domain("abc"), {"title": "new"}, based_on=None)
    deleted = await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    restored = await changes.restore(writer_database, in_default_domain("abc"))
    assert [link.version for link in (made, changed, deleted, restored)] == [1, 2, 3, 4]
    assert made.updated_at < changed.updated_at < deleted.updated_at < restored.updated_at
    assert restored.created_at == made.created_at


async def test_a_deleted_link_has_the_status_deleted_and_keeps_its_options(
    writer_database: Database, owner_id: int
) -> None:
    made = await insert(writer_database, "abc", owner_id, **EVERY_OPTION)
    deleted = await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    assert made is not None
    assert (deleted.status, deleted.options) == ("deleted", made.options)


async def test_a_restored_link_is_as_before(writer_database: Database, owner_id: int) -> None:
    made = await make_link(writer_database, owner_id=owner_id, code="abc")
    await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    restored = await changes.restore(writer_database, in_default_domain("abc"))
    assert (restored.status, restored.options, restored.id) == ("active", made.options, made.id)


async def test_restoring_a_link_that_is_not_deleted_changes_nothing(writer_database: Database, owner_id: int) -> None:
    made = await make_link(writer_database, owner_id=owner_id, code="abc")
    assert await changes.restore(writer_database, in_default_domain("abc")) == made


async def test_a_purge_leaves_nothing_of_a_link(
    writer_database: Database, resolver_database: Database, stats_database: Database, owner_id: int, database: Database
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, code="abc", max_clicks=5)
    await permits.take_permit(resolver_database, link.id)
    await count_clicks(stats_database, click_event(link.id))
    await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    for table in ("links", "link_totals", "link_permits", "clicks", "click_counts"):
        assert await rows_of(database, table) == 0


async def test_a_purge_does_not_affect_other_links(
    writer_database: Database, stats_database: Database, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    other = await make_link(writer_database, owner_id=owner_id, code="other")
    await count_clicks(stats_database, click_event(other.id))
    await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    assert (await found(writer_database, "other")).clicks == 1
    assert await rows_of(stats_database, "clicks") == 1


async def test_a_deleted_link_can_be_purged(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    assert await links.get(writer_database, in_default_domain("abc")) is None


async def test_a_purged_code_can_be_assigned_again_with_a_newer_version(
    writer_database: Database, owner_id: int
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    purged = await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    again = await make_link(writer_database, owner_id=owner_id, code="abc")
    assert again.version > purged.version > 1


async def test_versions_grow_over_several_purges_of_one_code(writer_database: Database, owner_id: int) -> None:
    versions = []
    for _ in range(3):
        versions.append((await make_link(writer_database, owner_id=owner_id, code="abc")).version)
        versions.append((await changes.purge(writer_database, in_default_domain("abc"), based_on=None)).version)
    assert versions == sorted(set(versions))


async def test_a_link_created_while_its_code_is_purged_is_newer_than_the_purge(
    writer_database: Database, owner_id: int, database: Database
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    async with writer_database.transaction() as conn:
        link = await links.lock(conn, in_default_domain("abc"))
        assert link is not None
        purged_version = await links.purge(conn, link)
        creation = asyncio.create_task(make_link(writer_database, owner_id=owner_id, code="abc"))
        await until(lambda: waits_for_a_lock(database))
    assert (await creation).version > purged_version


async def test_many_links_are_found_at_once_without_unknown_ones(writer_database: Database, owner_id: int) -> None:
    for code in ("a", "b", "c"):
        await make_link(writer_database, owner_id=owner_id, code=code)
    await changes.delete(writer_database, in_default_domain("b"), based_on=None)
    many = await links.get_many(writer_database, [in_default_domain(code) for code in ("a", "b", "unknown", "B")])
    assert sorted(link.code for link in many) == ["a", "b"]


async def test_no_links_are_found_for_no_names(writer_database: Database) -> None:
    assert await links.get_many(writer_database, []) == []


# Reuse


async def equal(database: Database, owner_id: int, *, code: str | None = None, **options: Any) -> Link | None:
    async with database.transaction() as conn:
        requested = NewLink(code=code, options=LinkOptions(**{"url": URL, **options}))
        return await links.find_equal(conn, requested, owner_id=owner_id)


async def test_an_equal_link_is_found(writer_database: Database, owner_id: int) -> None:
    made = await insert(writer_database, "abc", owner_id, **EVERY_OPTION)
    assert await equal(writer_database, owner_id, **EVERY_OPTION) == made


async def test_a_plain_equal_link_is_found(writer_database: Database, owner_id: int) -> None:
    made = await insert(writer_database, "abc", owner_id)
    assert await equal(writer_database, owner_id) == made


@pytest.mark.parametrize("name", EVERY_OPTION)
async def test_a_link_that_differs_by_one_option_is_not_equal(
    writer_database: Database, owner_id: int, name: str
) -> None:
    await insert(writer_database, "abc", owner_id)
    assert await equal(writer_database, owner_id, **{name: EVERY_OPTION[name]}) is None


async def test_an_equal_link_is_searched_by_the_index_of_urls_in_its_order(
    writer_database: Database, owner_id: int
) -> None:
    options = links.option_values(LinkOptions(url=URL))
    values = {"domain": DEFAULT_DOMAIN, "owner_id": owner_id, "code": None, **options}
    async with writer_database.transaction() as conn:
        await conn.execute("SET LOCAL enable_seqscan = off")  # few rows
        plan = "\n".join(row["QUERY PLAN"] for row in await conn.fetch_all(f"EXPLAIN {links.FIND_EQUAL}", values))
    assert "using links_same_url_idx on links l" in plan, plan
    assert "Sort" not in plan


async def test_tags_in_another_order_are_not_equal(writer_database: Database, owner_id: int) -> None:
    await insert(writer_database, "abc", owner_id, tags=("a", "b"))
    assert await equal(writer_database, owner_id, tags=("b", "a")) is None


async def test_the_oldest_of_equal_links_is_found(writer_database: Database, owner_id: int) -> None:
    made = [await insert(writer_database, code, owner_id) for code in ("c", "a", "b")]
    assert await equal(writer_database, owner_id) == made[0]


async def test_the_equal_link_of_another_owner_is_not_found(writer_database: Database, owner_id: int) -> None:
    await insert(writer_database, "abc", owner_id)
    assert await equal(writer_database, await make_owner(writer_database)) is None


async def test_a_deleted_equal_link_is_not_found(writer_database: Database, owner_id: int) -> None:
    await insert(writer_database, "abc", owner_id)
    await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    assert await equal(writer_database, owner_id) is None


async def test_an_equal_link_with_another_code_is_not_found_when_a_code_is_requested(
    writer_database: Database, owner_id: int
) -> None:
    await insert(writer_database, "abc", owner_id)
    assert await equal(writer_database, owner_id, code="def") is None


async def test_an_equal_link_with_the_requested_code_is_found(writer_database: Database, owner_id: int) -> None:
    await insert(writer_database, "abc", owner_id)
    requested = await insert(writer_database, "def", owner_id)
    assert await equal(writer_database, owner_id, code="def") == requested


# Status


def status_by_redirect(link: Link, *, permit_left: bool) -> str:
    """The status of a link by the decision of a resolver, which does not distinguish deleted and disabled links."""
    route = route_of(link)
    if not route.live:
        return "not live"
    decision = decide(route, RequestVisit(""), time.time())
    if isinstance(decision, Refusal):
        return "scheduled" if isinstance(decision.error, LinkNotFound) else "expired"
    return "active" if permit_left else "exhausted"


async def test_the_status_of_a_link_agrees_with_its_redirect(
    database: Database, resolver_database: Database, owner_id: int
) -> None:
    cases = itertools.product(
        (False, True), (True, False), (None, EARLIER, LATER), (None, EARLIER, LATER), (None, "unused", "used up")
    )
    wrong = []
    for number, (is_deleted, enabled, since, until_, limit) in enumerate(cases):
        if since and until_ and since >= until_:
            continue
        code = f"case-{number}"
        options = {"enabled": enabled, "valid_since": since, "valid_until": until_, "max_clicks": limit and 1}
        link = await insert(database, code, owner_id, **options)
        assert link is not None
        if limit == "used up":
            await permits.take_permit(resolver_database, link.id)
        if is_deleted:
            await changes.delete(database, in_default_domain(code), based_on=None)
        link = await found(database, code)
        shown = status_by_redirect(link, permit_left=await permits.permit_left(resolver_database, link.id))
        if ("not live" if link.status in ("deleted", "disabled") else link.status) != shown:
            wrong.append((options | {"deleted": is_deleted, "permits": permits}, link.status, shown))
    assert wrong == []


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, "active"),
        ({"enabled": False}, "disabled"),
        ({"valid_since": LATER}, "scheduled"),
        ({"valid_until": EARLIER}, "expired"),
        ({"valid_since": EARLIER, "valid_until": LATER}, "active"),
        ({"enabled": False, "valid_until": EARLIER}, "disabled"),
    ],
)
async def test_the_options_of_a_link_determine_its_status(
    writer_database: Database, owner_id: int, options: dict[str, Any], status: str
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, code="abc", **options)
    assert link.status == status
    assert (await found(writer_database, "abc")).status == status


async def test_a_link_whose_permits_are_used_up_is_exhausted(
    writer_database: Database, resolver_database: Database, owner_id: int
) -> None:
    link = await make_link(writer_database, owner_id=owner_id, code="abc", max_clicks=1)
    await permits.take_permit(resolver_database, link.id)
    assert (await found(writer_database, "abc")).status == "exhausted"


# Permits


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
