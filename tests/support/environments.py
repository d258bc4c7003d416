"""The environment variables that a service starts with in a test."""

from pathlib import Path

from shared.process.settings import DatabaseSettings, RedisSettings

PUBLIC_URL = "http://short.test"


def environment(
    database: DatabaseSettings, redis: RedisSettings, *, spool_folder: Path | None = None, **more: str
) -> dict[str, str]:
    """Variables for any service. Each service reads those that it needs."""
    return {
        "DATABASE_URL": database.url,
        "DATABASE_POOL_SIZE": str(database.pool_size),
        "DATABASE_ACQUIRE_TIMEOUT": str(database.acquire_timeout),
        "DATABASE_CONNECT_TIMEOUT": str(database.connect_timeout),
        "DATABASE_STATEMENT_TIMEOUT": str(database.statement_timeout),
        "REDIS_URL": redis.url,
        "REDIS_TIMEOUT": str(redis.timeout),
        "PUBLIC_URL": PUBLIC_URL,
        "INSTANCE_ID": "tested-1",
        "VISITOR_SECRET": "the visitor secret of the tests",
        "SPOOL_FOLDER": str(spool_folder or ""),
        "RELAY_INTERVAL": "0.05",
        "KEY_RATE_LIMIT": "0",
        "ADDRESS_RATE_LIMIT": "0",
        **more,
    }
