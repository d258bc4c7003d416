"""The settings of a resolver."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from shared.process.settings import DatabaseSettings, Environment, InstanceSettings, RedisSettings, link_lifetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolverSettings:
    """Settings of a resolver; sizes in bytes, times in seconds."""

    instance: InstanceSettings
    database: DatabaseSettings
    redis: RedisSettings
    link_lifetime: int
    miss_lifetime: int
    spool_folder: Path
    spool_limit: int

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Self:
        env = Environment(values)
        settings = cls(
            instance=InstanceSettings.read(env, default_id="resolver-1"),
            database=DatabaseSettings.read(env, statement_timeout=1.5),
            redis=RedisSettings.read(env, timeout=0.05),
            link_lifetime=link_lifetime(env),
            miss_lifetime=env.integer("MISS_LIFETIME", 30, least=1, most=3_600),
            spool_folder=Path(env.text("SPOOL_FOLDER")),
            spool_limit=env.integer("SPOOL_LIMIT", 256 * 2**20, least=2**16, most=2**40),
        )
        env.finish()
        return settings
