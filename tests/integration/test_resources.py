from shared.redis.client import redis_client
from tests.integration.stores import Stores


async def test_a_connection_to_redis_that_was_reset_is_replaced(stores: Stores) -> None:
    async with redis_client(stores.redis_settings()) as redis:
        await redis.ping()
        (connection,) = redis.connection_pool._available_connections
        assert connection._writer
        connection._writer.transport.abort()  # like a reset that the client has not noticed yet
        await redis.ping()
