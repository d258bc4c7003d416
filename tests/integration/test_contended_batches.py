"""Batches that share codes and external ids all get their results."""

import asyncio
import random

from services.writer.links.creation import create_links
from services.writer.links.insertion import LinkRequest
from shared.domain.models import LinkOptions, NewLink
from shared.postgres.pool import Database, connect
from tests.integration.stores import Stores
from tests.support.builders import make_owner


async def test_batches_that_share_codes_and_external_ids_are_all_answered(
    stores: Stores, database_name: str, writer_database: Database
) -> None:
    """Each batch inserts in its client's order, so they deadlock; the one retry of `create_links` deadlocks again."""
    owner_id = await make_owner(writer_database)
    codes = [f"same{number}" for number in range(300)]

    async def batch(database: Database, seed: int) -> int:
        order = random.Random(seed)  # noqa: S311  # no secret
        requests = [
            LinkRequest(
                NewLink(code=code, options=LinkOptions(url="https://example.com/", external_id=order.choice(codes))),
                owner_id,
            )
            for code in order.sample(codes, len(codes))
        ]
        created = await create_links(database, requests, owner_id=owner_id, idempotency_key=None, present=lambda _: {})
        return len(created.links)

    async with connect(stores.database_settings(database_name, "boltlink_writer", pool_size=10)) as database:
        results = await asyncio.gather(*(batch(database, seed) for seed in range(6)), return_exceptions=True)
    assert [result for result in results if isinstance(result, BaseException)] == []
