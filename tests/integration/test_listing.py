"""Links are listed by their filters and in the requested order."""

from datetime import UTC, datetime, timedelta

import pytest
from multidict import MultiDict

from services.writer.links import changes
from services.writer.links.listing import list_links
from services.writer.links.schemas import ListQuery
from shared.domain.codes import LinkName, in_default_domain
from shared.domain.models import LinkOptions
from shared.postgres.pool import Database
from shared.postgres.tables import new_links, permits
from shared.schemas.fields import format_moment
from shared.schemas.parsing import parse_query
from tests.integration.link_pages import ORDERS, codes, make_varied_links
from tests.support.builders import NOON, make_link

# Filters


async def test_without_a_filter_all_links_are_listed_newest_first(writer_database: Database, owner_id: int) -> None:
    for code in ("b", "a", "c"):
        await make_link(writer_database, owner_id=owner_id, code=code)
    assert await codes(writer_database) == ["c", "a", "b"]


async def test_without_links_the_list_is_empty(writer_database: Database) -> None:
    assert await codes(writer_database) == []


@pytest.mark.parametrize("q", ["NEEDLE", "needle", "eedl"])
async def test_q_searches_code_url_title_and_tags_in_upper_and_lower_case(
    writer_database: Database, owner_id: int, q: str
) -> None:
    await make_link(writer_database, owner_id=owner_id, code="Needle")
    await make_link(writer_database, owner_id=owner_id, code="url", url="https://example.com/neeDLE")
    await make_link(writer_database, owner_id=owner_id, code="title", title="a needle in hay")
    await make_link(writer_database, owner_id=owner_id, code="tag", tags=("hay", "needles"))
    await make_link(writer_database, owner_id=owner_id, code="none", notes="needle", external_id="needle")
    assert sorted(await codes(writer_database, q=q)) == ["Needle", "tag", "title", "url"]


async def test_q_ignores_the_case_of_letters_beyond_ascii(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="found", title="Äpfel, ЯБЛОКИ")
    assert await codes(writer_database, q="äPFEL, яблоки") == ["found"]


@pytest.mark.parametrize(
    ("q", "title"), [("5%", "5% off"), ("a_b", "a_b"), ("a\\b", "a\\b"), ("%", "100%"), ("_", "_"), ("\\", "\\")]
)
async def test_wildcards_in_q_are_literal(writer_database: Database, owner_id: int, q: str, title: str) -> None:
    await make_link(writer_database, owner_id=owner_id, code="literal", title=title)
    await make_link(writer_database, owner_id=owner_id, code="other", title="5 axb")
    assert await codes(writer_database, q=q) == ["literal"]


async def test_tag_requires_all_of_its_tags(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="both", tags=("a", "b", "c"))
    await make_link(writer_database, owner_id=owner_id, code="one", tags=("a",))
    assert await codes(writer_database, ("tag", "a"), ("tag", "b")) == ["both"]


async def test_any_tag_requires_one_of_its_tags(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="a", tags=("a",))
    await make_link(writer_database, owner_id=owner_id, code="b", tags=("b",))
    await make_link(writer_database, owner_id=owner_id, code="c", tags=("c",))
    await make_link(writer_database, owner_id=owner_id, code="none")
    assert sorted(await codes(writer_database, ("any_tag", "a"), ("any_tag", "b"))) == ["a", "b"]


async def test_a_tag_is_compared_as_a_whole_and_with_its_case(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="a", tags=("Summer sale",))
    assert await codes(writer_database, tag="summer sale") == []
    assert await codes(writer_database, tag="Summer") == []
    assert await codes(writer_database, tag="Summer sale") == ["a"]


@pytest.mark.parametrize("status", ["active", "scheduled", "expired", "exhausted", "disabled", "deleted"])
async def test_status_lists_the_links_of_that_status(
    writer_database: Database, resolver_database: Database, owner_id: int, status: str
) -> None:
    now = datetime.now(UTC)
    await make_link(writer_database, owner_id=owner_id, code="active")
    await make_link(writer_database, owner_id=owner_id, code="scheduled", valid_since=now + timedelta(days=1))
    await make_link(writer_database, owner_id=owner_id, code="expired", valid_until=now - timedelta(days=1))
    await make_link(writer_database, owner_id=owner_id, code="disabled", enabled=False)
    await make_link(writer_database, owner_id=owner_id, code="deleted")
    exhausted = await make_link(writer_database, owner_id=owner_id, code="exhausted", max_clicks=1)
    await permits.take_permit(resolver_database, exhausted.id)
    await changes.delete(writer_database, in_default_domain("deleted"), based_on=None)
    assert await codes(writer_database, status=status) == [status]


async def test_deleted_links_are_listed_only_on_demand(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="kept")
    await make_link(writer_database, owner_id=owner_id, code="deleted")
    await changes.delete(writer_database, in_default_domain("deleted"), based_on=None)
    assert await codes(writer_database) == ["kept"]


async def test_created_after_and_before_exclude_their_own_time(database: Database, owner_id: int) -> None:
    for hour in range(5):
        await make_link(database, owner_id=owner_id, code=f"at-{hour}")
        await database.execute(
            "UPDATE links SET created_at = %s WHERE code = %s", [NOON + timedelta(hours=hour), f"at-{hour}"]
        )
    after, before = (format_moment(NOON + timedelta(hours=hour)) for hour in (1, 4))
    assert await codes(database, created_after=after, created_before=before) == ["at-3", "at-2"]


async def test_a_link_must_match_all_filters(writer_database: Database, owner_id: int) -> None:
    await make_link(writer_database, owner_id=owner_id, code="both", title="needle", tags=("a",))
    await make_link(writer_database, owner_id=owner_id, code="title", title="needle")
    await make_link(writer_database, owner_id=owner_id, code="tag", tags=("a",))
    assert await codes(writer_database, q="needle", tag="a", status="active") == ["both"]


async def test_links_of_another_domain_are_not_listed(writer_database: Database, owner_id: int) -> None:
    async with writer_database.transaction() as conn:
        options = LinkOptions(url="https://example.com/")
        await new_links.insert(conn, [new_links.NewRow(LinkName("other", "abc"), owner_id, options)])
    assert await codes(writer_database) == []


# Orders


@pytest.mark.parametrize("order", ORDERS)
async def test_links_are_listed_in_the_requested_order(database: Database, owner_id: int, order: str) -> None:
    await make_varied_links(database, owner_id)
    listed, _ = await list_links(database, parse_query(ListQuery(), MultiDict(sort=order)))
    values = [(getattr(link, order.removeprefix("-")), link.id) for link in listed]
    assert len(values) == 9
    assert values == sorted(values, reverse=order.startswith("-"))


async def test_codes_are_ordered_by_their_bytes(writer_database: Database, owner_id: int) -> None:
    for code in ("b", "A", "_", "a", "B", "-", "1"):
        await make_link(writer_database, owner_id=owner_id, code=code)
    assert await codes(writer_database, sort="code") == ["-", "1", "A", "B", "_", "a", "b"]
