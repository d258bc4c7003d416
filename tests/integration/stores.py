"""The servers that integration tests use."""

from dataclasses import dataclass
from typing import Any

import psycopg2.extensions

from deploy.local.configuration import database_url
from deploy.local.settings import LocalSettings
from deploy.local.state import secret
from shared.process.settings import DatabaseSettings, RedisSettings


@dataclass(frozen=True)
class Stores:
    """The running servers, and the settings to reach them."""

    settings: LocalSettings
    _owner: psycopg2.extensions.connection

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement as the owner, outside of the databases of tests; its rows."""
        with self._owner.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def database_settings(self, name: str, role: str = "boltlink", *, pool_size: int = 5) -> DatabaseSettings:
        """The settings for a database and a role: the owner `boltlink`, or a service such as `boltlink_writer`."""
        assert name.endswith("_test")
        password = secret(self.settings, "postgres" if role == "boltlink" else role.removeprefix("boltlink_"))
        url = database_url(self.settings, role, password).rpartition("/")[0] + f"/{name}"
        return DatabaseSettings(
            url=url, pool_size=pool_size, acquire_timeout=2.0, connect_timeout=2.0, statement_timeout=5.0
        )

    def redis_settings(self, timeout: float = 2.0) -> RedisSettings:
        url = f"redis://:{secret(self.settings, 'redis')}@127.0.0.1:{self.settings.redis_port}/0"
        return RedisSettings(url=url, timeout=timeout)
