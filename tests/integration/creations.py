"""Requests for links, created in one transaction."""

from typing import Any

from services.writer.links.insertion import CreationResult, LinkRequest, create_all
from shared.domain.models import LinkOptions, NewLink
from shared.postgres.pool import Database

URL = "https://example.com/"


def request(owner_id: int, code: str | None = None, **options: Any) -> LinkRequest:
    return LinkRequest(NewLink(code=code, options=LinkOptions(**{"url": URL, **options})), owner_id)


async def make(database: Database, *requests: LinkRequest) -> list[CreationResult]:
    async with database.transaction() as conn:
        return await create_all(conn, requests)


async def count_of(database: Database, table: str) -> int:
    row = await database.fetch_one(f"SELECT count(*) AS n FROM {table}")
    assert row is not None
    return int(row["n"])
