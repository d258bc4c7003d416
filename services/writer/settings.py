"""The settings of the writer and the relay."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from services.writer.links.targets import FORBIDDEN_SCHEMES, TargetPolicy, target_policy
from shared.http.rate_limit import LimitSettings
from shared.process.settings import (
    DatabaseSettings,
    Environment,
    InstanceSettings,
    RedisSettings,
    link_lifetime,
    public_url,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class WriterSettings:
    """Settings of the writer's API; sizes in bytes, times in seconds."""

    instance: InstanceSettings
    database: DatabaseSettings
    redis: RedisSettings
    public_url: str
    limits: LimitSettings
    targets: TargetPolicy
    body_limit: int
    batch_body_limit: int
    link_lifetime: int

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Self:
        env = Environment(values)
        address = public_url(env)
        schemes = frozenset(env.words("TARGET_SCHEMES", "http https", forbidden=FORBIDDEN_SCHEMES))
        own_hosts = frozenset(env.words("OWN_HOSTS", ""))
        targets = env.computed("OWN_HOSTS", lambda: target_policy(address, schemes, own_hosts), TargetPolicy())
        settings = cls(
            instance=InstanceSettings.read(env, default_id="writer-1"),
            database=DatabaseSettings.read(env),
            redis=RedisSettings.read(env, timeout=0.5),
            public_url=address,
            limits=LimitSettings.read(env),
            targets=targets,
            body_limit=env.integer("BODY_LIMIT", 262_144, least=1_024, most=2**20),
            batch_body_limit=env.integer("BATCH_BODY_LIMIT", 4 * 2**20, least=1_024, most=8 * 2**20),
            link_lifetime=link_lifetime(env),
        )
        env.finish()
        return settings


@dataclass(frozen=True, kw_only=True, slots=True)
class RelaySettings:
    """Settings of the relay; times in seconds."""

    instance: InstanceSettings
    database: DatabaseSettings
    redis: RedisSettings
    interval: float
    link_lifetime: int

    @classmethod
    def from_env(cls, values: Mapping[str, str]) -> Self:
        env = Environment(values)
        settings = cls(
            instance=InstanceSettings.read(env, default_id="relay-1"),
            database=DatabaseSettings.read(env),
            redis=RedisSettings.read(env, timeout=0.5),
            interval=env.seconds("RELAY_INTERVAL", 0.2, most=60),
            link_lifetime=link_lifetime(env),
        )
        env.finish()
        return settings
