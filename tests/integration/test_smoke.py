from shared.database import Database
from shared.repositories import links
from shared.resources import RedisClient
from tests.support.builders import make_link, make_owner


async def test_a_link_is_found_again(writer_database: Database, redis: RedisClient) -> None:
    owner_id = await make_owner(writer_database)
    link = await make_link(writer_database, owner_id=owner_id, code="abc")
    assert await links.get(writer_database, domain="default", code="abc") == link
    assert await redis.ping()
