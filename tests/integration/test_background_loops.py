"""The loops of the relay and of the consumer do their work while the service runs."""

from shared.domain.codes import in_default_domain
from shared.postgres.pool import Database
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from tests.integration.services import Start
from tests.support.builders import make_link, make_owner
from tests.support.waiting import until


async def test_the_relay_publishes_a_link_that_is_created_while_it_runs(
    start: Start, writer_database: Database, redis: RedisClient
) -> None:
    await start("relay")
    await make_link(writer_database, owner_id=await make_owner(writer_database), code="abc")

    async def published() -> bool:
        return bool(await redis.exists(redis_keys.route(in_default_domain("abc"))))

    await until(published)


async def test_the_relay_deletes_old_idempotent_answers(
    start: Start, writer_database: Database, database: Database
) -> None:
    await database.execute(
        """
        INSERT INTO idempotent_answers (owner_id, key, request_hash, created_at)
        VALUES (%s, 'old', '', now() - interval '25 hours')
        """,
        [await make_owner(writer_database)],
    )
    await start("relay")

    async def deleted() -> bool:
        return await database.fetch_one("SELECT 1 AS one FROM idempotent_answers") is None

    await until(deleted)


async def test_the_consumer_creates_the_partitions_of_the_coming_months(start: Start, database: Database) -> None:
    await start("consumer")

    async def made() -> bool:
        row = await database.fetch_one(
            """
            SELECT count(*) AS n FROM pg_inherits
            WHERE inhparent = 'clicks'::regclass AND inhrelid <> 'clicks_other'::regclass
            """
        )
        return row is not None and row["n"] == 3

    await until(made)
