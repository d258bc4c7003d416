"""An equal link is found and reused."""

from typing import Any

import pytest

from services.writer.links import changes
from shared.domain.codes import DEFAULT_DOMAIN, in_default_domain
from shared.domain.models import Link, LinkOptions, NewLink
from shared.postgres.pool import Database
from shared.postgres.tables import links
from tests.integration.link_rows import EVERY_OPTION, URL, insert
from tests.support.builders import make_owner


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
