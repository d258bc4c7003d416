"""A link is created, changed, deleted, restored and purged, and its code and external id stay its own."""

import asyncio
from dataclasses import replace

import pytest

from services.writer.links import changes
from shared.domain.codes import in_default_domain
from shared.domain.errors import CodeTaken, ExternalIdTaken
from shared.domain.models import Link, LinkOptions
from shared.postgres.pool import Database
from shared.postgres.tables import links, permits
from tests.integration.link_rows import EVERY_OPTION, found, insert
from tests.integration.locks import waits_for_a_lock
from tests.support.builders import click_event, count_clicks, make_link
from tests.support.waiting import until


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
