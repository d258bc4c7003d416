"""The settings of the stats API and of the consumer, read from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from shared.http.rate_limit import LimitSettings
from shared.process.settings import DatabaseSettings, Environment, InstanceSettings, RedisSettings, public_url


@dataclass(frozen=True, kw_only=True, slots=True)
class StatsSettings:
    """Settings of the stats API."""

    instance: InstanceSettings
    database: DatabaseSettings
    public_url: str
    limits: LimitSettings

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Self:
        env = Environment(values)
        settings = cls(
            instance=InstanceSettings.read(env, default_id="stats-1"),
            database=DatabaseSettings.read(env),
            public_url=public_url(env),
            limits=LimitSettings.read(env),
        )
        env.finish()
        return settings


@dataclass(frozen=True, kw_only=True, slots=True)
class ConsumerSettings:
    """Settings of the consumer. Times are in seconds."""

    instance: InstanceSettings
    database: DatabaseSettings
    redis: RedisSettings
    visitor_secret: str
    batch_size: int
    claim_after: float

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Self:
        env = Environment(values)
        settings = cls(
            instance=InstanceSettings.read(env, default_id="consumer-1"),
            database=DatabaseSettings.read(env),
            redis=RedisSettings.read(env, timeout=3.0),
            visitor_secret=env.secret("VISITOR_SECRET"),
            batch_size=env.integer("CLICK_BATCH_SIZE", 200, least=1, most=10_000),
            claim_after=env.seconds("CLICK_CLAIM_AFTER", 10.0),
        )
        env.finish()
        return settings
