import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import psycopg2.errors
import pytest

from services.writer.links import changes
from services.writer.links.creation import Created, create_link
from services.writer.links.insertion import LinkRequest
from services.writer.links.schemas import dump_link
from shared.domain.codes import LinkName, in_default_domain
from shared.domain.errors import InvalidInput, LinkChanged, LinkNotFound
from shared.domain.models import Link, LinkOptions, NewLink
from shared.postgres.pool import Database
from tests.support.builders import NOON, make_link
from tests.support.environments import PUBLIC_URL


async def outbox_of(database: Database) -> list[tuple[str, int]]:
    rows = await database.fetch_all("SELECT code, version FROM outbox ORDER BY id")
    return [(row["code"], row["version"]) for row in rows]


async def reuse(database: Database, owner_id: int, **options: Any) -> Created:
    return await create_link(
        database,
        LinkRequest(NewLink(options=LinkOptions(**{"url": "https://example.com/", **options})), owner_id),
        reuse=True,
        idempotency_key=None,
        present=lambda link: dump_link(link, PUBLIC_URL),
    )


async def change_title(database: Database, name: LinkName, *, based_on: changes.Versions) -> Link:
    return await changes.change(database, name, {"title": "new"}, based_on=based_on)


async def test_every_change_of_a_link_writes_an_outbox_message(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="abc")
    await changes.change(writer_database, in_default_domain("abc"), {"title": "new"}, based_on=None)
    await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    await changes.restore(writer_database, in_default_domain("abc"))
    await changes.purge(writer_database, in_default_domain("abc"), based_on=None)
    assert await outbox_of(writer_database) == [("abc", version) for version in (1, 2, 3, 4, 5)]


async def test_a_link_is_not_created_if_its_outbox_message_fails(
    writer_database: Database, owner_id: int, database: Database
) -> None:
    await database.execute("ALTER TABLE outbox RENAME TO hidden")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        await make_link(writer_database, owner_id=owner_id)
    assert await writer_database.fetch_all("SELECT * FROM links") == []


async def test_a_link_is_not_changed_if_its_outbox_message_fails(
    writer_database: Database, link: Link, database: Database
) -> None:
    await database.execute("ALTER TABLE outbox RENAME TO hidden")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    assert await changes.get(writer_database, in_default_domain("abc")) == link


async def test_a_change_without_effect_is_no_new_version(writer_database: Database, link: Link) -> None:
    assert await changes.change(writer_database, in_default_domain("abc"), {"title": None}, based_on=None) == link
    assert await outbox_of(writer_database) == [("abc", 1)]


async def test_reuse_returns_an_equal_link(writer_database: Database, link: Link, owner_id: int) -> None:
    created = await reuse(writer_database, owner_id)
    assert (created.status, created.links) == (200, (link,))
    assert await outbox_of(writer_database) == [("abc", 1)]


async def test_reuse_creates_a_link_if_none_is_equal(writer_database: Database, link: Link, owner_id: int) -> None:
    created = await reuse(writer_database, owner_id, title="another")
    assert created.status == 201
    assert created.document["code"] != link.code


async def test_a_change_based_on_the_current_version_is_accepted(writer_database: Database, link: Link) -> None:
    versions = frozenset({7, link.version})
    assert (
        await changes.change(writer_database, in_default_domain("abc"), {"title": "new"}, based_on=versions)
    ).version == 2


@pytest.mark.parametrize("versions", [frozenset({2}), frozenset()])
@pytest.mark.parametrize("act", [change_title, changes.delete, changes.purge])
async def test_a_change_based_on_another_version_is_refused(
    writer_database: Database, link: Link, versions: frozenset[int], act: Callable[..., Awaitable[Link]]
) -> None:
    with pytest.raises(LinkChanged):
        await act(writer_database, in_default_domain("abc"), based_on=versions)
    assert await changes.get(writer_database, in_default_domain("abc")) == link


async def test_of_simultaneous_changes_based_on_one_version_one_is_accepted(
    writer_database: Database, link: Link
) -> None:
    results = await asyncio.gather(
        *(
            changes.change(
                writer_database, in_default_domain("abc"), {"title": str(number)}, based_on=frozenset({link.version})
            )
            for number in range(5)
        ),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["Link"] + ["LinkChanged"] * 4


async def test_simultaneous_changes_of_different_fields_are_all_applied(writer_database: Database, link: Link) -> None:
    fields_of_changes: list[dict[str, Any]] = [{"title": "t"}, {"notes": "n"}, {"tags": ("a",)}, {"max_clicks": 3}]
    await asyncio.gather(
        *(
            changes.change(writer_database, in_default_domain("abc"), fields, based_on=None)
            for fields in fields_of_changes
        )
    )
    changed = await changes.get(writer_database, in_default_domain("abc"))
    assert changed.options == LinkOptions(url=link.options.url, title="t", notes="n", tags=("a",), max_clicks=3)
    assert changed.version == 5


async def test_simultaneous_changes_write_each_version_to_the_outbox_once(
    writer_database: Database, link: Link
) -> None:
    await asyncio.gather(
        *(
            changes.change(writer_database, in_default_domain(link.code), {"title": str(number)}, based_on=None)
            for number in range(8)
        )
    )
    assert await outbox_of(writer_database) == [("abc", version) for version in range(1, 10)]


@pytest.mark.parametrize(
    "act",
    [
        lambda database: changes.get(database, in_default_domain("unknown")),
        lambda database: changes.change(database, in_default_domain("unknown"), {"title": "new"}, based_on=None),
        lambda database: changes.delete(database, in_default_domain("unknown"), based_on=None),
        lambda database: changes.restore(database, in_default_domain("unknown")),
        lambda database: changes.purge(database, in_default_domain("unknown"), based_on=None),
    ],
    ids=["get", "change", "delete", "restore", "purge"],
)
async def test_a_code_without_a_link_raises_link_not_found(
    writer_database: Database, act: Callable[[Database], Awaitable[Link]]
) -> None:
    with pytest.raises(LinkNotFound):
        await act(writer_database)


@pytest.mark.usefixtures("link")
async def test_a_deleted_link_is_not_changed(writer_database: Database) -> None:
    deleted = await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    with pytest.raises(LinkNotFound):
        await changes.change(writer_database, in_default_domain("abc"), {"title": "new"}, based_on=None)
    assert await changes.get(writer_database, in_default_domain("abc")) == deleted


@pytest.mark.usefixtures("link")
async def test_a_deleted_link_is_not_deleted_again(writer_database: Database) -> None:
    deleted = await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    with pytest.raises(LinkNotFound):
        await changes.delete(writer_database, in_default_domain("abc"), based_on=None)
    assert await changes.get(writer_database, in_default_domain("abc")) == deleted


async def test_a_reserved_code_is_refused(writer_database: Database, owner_id: int) -> None:
    with pytest.raises(InvalidInput) as caught:
        await make_link(writer_database, owner_id=owner_id, code="Links")
    assert list(caught.value.faults) == ["code"]


async def test_a_valid_until_before_the_stored_valid_since_is_refused(writer_database: Database, owner_id: int) -> None:
    made = await make_link(writer_database, owner_id=owner_id, code="abc", valid_since=NOON)
    with pytest.raises(InvalidInput) as caught:
        await changes.change(
            writer_database, in_default_domain("abc"), {"valid_until": NOON - timedelta(hours=1)}, based_on=None
        )
    assert list(caught.value.faults) == ["valid_until"]
    assert await changes.get(writer_database, in_default_domain("abc")) == made
