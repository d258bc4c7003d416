"""Links as rows of the database, without the writer's rules."""

from datetime import timedelta
from typing import Any

from shared.domain.codes import in_default_domain
from shared.domain.models import Link, LinkOptions
from shared.postgres.pool import Database
from shared.postgres.tables import links, new_links
from tests.support.builders import NOON

URL = "https://example.com/"

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
