"""Pages of links, as `GET /links` lists them."""

from multidict import MultiDict

from services.writer.links.listing import list_links
from services.writer.links.schemas import ListQuery
from shared.domain.models import LINK_SORTS
from shared.postgres.pool import Database
from shared.schemas.parsing import parse_query
from tests.support.builders import NOON, make_link

ORDERS = [sign + name for name in LINK_SORTS for sign in ("", "-")]


async def page(database: Database, *query: tuple[str, str], **more: str) -> tuple[list[str], str | None]:
    """The codes on a page of links, as `GET /links` would list them, and the cursor of the next page."""
    parameters = MultiDict([*query, *more.items()])
    found, cursor = await list_links(database, parse_query(ListQuery(), parameters))
    return [link.code for link in found], cursor


async def codes(database: Database, *query: tuple[str, str], **more: str) -> list[str]:
    found, cursor = await page(database, *query, **more)
    assert cursor is None
    return found


async def make_varied_links(database: Database, owner_id: int, count: int = 9) -> None:
    """Links whose orders by code, clicks and time differ; groups of three have equal clicks and times."""
    for number in range(count):
        code = f"{(number * 5) % count}-code"
        await make_link(database, owner_id=owner_id, code=code)
        await database.execute(
            """
            UPDATE links SET created_at = %(noon)s::timestamptz + %(minutes)s * interval '1 minute',
                updated_at = %(noon)s::timestamptz - %(minutes)s * interval '1 minute' WHERE code = %(code)s
            """,
            {"noon": NOON, "minutes": number // 3, "code": code},
        )
        await database.execute(
            "UPDATE link_totals SET clicks = %s WHERE link_id = (SELECT id FROM links WHERE code = %s)",
            [(number * 7 % count) // 3, code],
        )


async def codes_of_all_pages(database: Database, order: str, limit: int) -> list[str]:
    """All codes, page by page."""
    seen: list[str] = []
    cursor = None
    while True:
        found, cursor = await page(database, sort=order, limit=str(limit), **({"cursor": cursor} if cursor else {}))
        seen += found
        if cursor is None:
            return seen
        assert len(found) == limit
