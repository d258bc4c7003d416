"""A cursor continues a list where its page ended, and cannot be forged."""

import base64
import itertools
import json
from typing import Any

import pytest

from services.writer.links import changes
from shared.domain.codes import in_default_domain
from shared.domain.errors import InvalidInput
from shared.postgres.pool import Database
from tests.integration.link_pages import ORDERS, codes, codes_of_all_pages, make_varied_links, page
from tests.support.builders import make_link


@pytest.mark.parametrize(("order", "limit"), [*itertools.product(ORDERS, (1, 4))])
async def test_paging_returns_every_link_once_in_order(
    database: Database, owner_id: int, order: str, limit: int
) -> None:
    await make_varied_links(database, owner_id)
    assert await codes_of_all_pages(database, order, limit) == await codes(database, sort=order)


@pytest.mark.parametrize("order", ORDERS)
async def test_paging_returns_every_remaining_link_once_while_others_are_created_and_deleted(
    database: Database, owner_id: int, order: str
) -> None:
    await make_varied_links(database, owner_id)
    staying = {f"{number}-code" for number in range(9) if number % 3}
    seen: list[str] = []
    cursor: str | None = ""
    for number in itertools.count():
        found, cursor = await page(database, sort=order, limit="2", **({"cursor": cursor} if cursor else {}))
        seen += found
        if cursor is None:
            break
        await make_link(database, owner_id=owner_id, code=f"{number}-new")
        if number < 3:
            await changes.delete(database, in_default_domain(f"{number * 3}-code"), based_on=None)
    assert sorted(code for code in seen if code in staying) == sorted(staying)


async def test_a_cursor_stays_valid_when_its_link_is_deleted(database: Database, owner_id: int) -> None:
    for code in ("a", "b", "c"):
        await make_link(database, owner_id=owner_id, code=code)
    first, cursor = await page(database, sort="code", limit="2")
    await changes.purge(database, in_default_domain("b"), based_on=None)
    assert first == ["a", "b"]
    assert await codes(database, sort="code", cursor=cursor or "") == ["c"]


async def test_a_full_last_page_has_no_cursor(writer_database: Database, owner_id: int) -> None:
    for code in ("a", "b"):
        await make_link(writer_database, owner_id=owner_id, code=code)
    assert await page(writer_database, sort="code", limit="2") == (["a", "b"], None)


def forged(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("order", "cursor"),
    [
        ("code", "what"),
        ("code", "%%%"),
        ("code", forged("-code", "a", 1)),
        ("code", forged("code", 1, 1)),
        ("code", forged("code", "a\x00", 1)),
        ("code", forged("code", "a", 0)),
        ("code", forged("code", "a", 2**63)),
        ("code", forged("code", "a", True)),
        ("code", forged("code", "a")),
        ("clicks", forged("clicks", "1", 1)),
        ("clicks", forged("clicks", 2**63, 1)),
        ("clicks", forged("clicks", 1.5, 1)),
        ("created_at", forged("created_at", "yesterday", 1)),
        ("created_at", forged("created_at", 7, 1)),
        ("created_at", forged("created_at", "2026-W01-1", 1)),  # Python parses these, Postgres does not
        ("created_at", forged("created_at", "2026-01-01T12:00:00,5+00:00", 1)),
    ],
)
async def test_a_forged_cursor_is_refused(writer_database: Database, order: str, cursor: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await page(writer_database, sort=order, cursor=cursor)
    assert list(caught.value.faults) == ["cursor"]
