"""Every process of BoltLink as `processes.toml` describes it: the one list that all runtimes follow."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

MAX_REPLICAS: Final = 20

_FILE: Final = Path(__file__).with_name("processes.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """A pool of nginx; `keepalive`: idle connections that each nginx worker keeps to it."""

    name: str
    keepalive: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Resources:
    """CPUs and memory of a container, as Compose writes them."""

    cpus: str
    memory: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolSize:
    """The variable that sets DATABASE_POOL_SIZE in production, and its default."""

    setting: str
    default: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Production:
    """What differs in production; None: nothing does."""

    replicas: int | None = None
    limits: Resources | None = None
    pool_size: PoolSize | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Process:
    """One kind of process (see `processes.toml` for each field)."""

    name: str
    service: str
    factory: str
    settings: str
    role: str
    pool: Pool | None
    replicas: int
    replicas_setting: str | None
    port: int
    health: str
    stop_timeout: int
    stores: tuple[str, ...]
    secrets: tuple[str, ...]
    spool: bool
    limits: Resources
    reservations: Resources
    environment: tuple[str, ...]
    production: Production

    @property
    def secret_variables(self) -> dict[str, str]:
        """The `_FILE` variables of a process, and the secret whose file each of them names."""
        urls = {"postgres": ("DATABASE_URL", f"{self.role}_database_url"), "redis": ("REDIS_URL", "redis_url")}
        found = [urls[store] for store in self.stores]
        found += [(f"{name.upper()}_SECRET", name) for name in self.secrets]
        return {f"{variable}_FILE": secret for variable, secret in found}


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy of a process; instances are numbered from 1."""

    process: Process
    number: int

    @property
    def name(self) -> str:
        """The INSTANCE_ID."""
        return f"{self.process.name}-{self.number}"

    @property
    def compose_name(self) -> str:
        """The service in Compose. Only a process whose replicas are a setting has a number from the first one on."""
        numbered = self.process.replicas_setting or self.number > 1
        return f"{self.process.name}{self.number if numbered else ''}"

    @property
    def container(self) -> str:
        return f"boltlink-{self.compose_name}"


def _process(name: str, every: Mapping[str, Any], own: Mapping[str, Any]) -> Process:
    fields: dict[str, Any] = {"pool": None, "replicas_setting": None, "production": {}, **every, **own}
    for list_name in ("stores", "secrets"):
        fields[list_name] = tuple(fields[list_name])
    for resources in ("limits", "reservations"):
        fields[resources] = Resources(**fields[resources])
    fields["environment"] = (*every["environment"], *own.get("environment", ()))
    fields["pool"] = Pool(**fields["pool"]) if fields["pool"] else None
    fields["production"] = _production(fields["production"])
    return Process(name=name, **fields)


def _production(fields: Mapping[str, Any]) -> Production:
    kinds = {"limits": Resources, "pool_size": PoolSize}
    return Production(**{name: kinds[name](**value) if name in kinds else value for name, value in fields.items()})


_DOCUMENT: Final = tomllib.loads(_FILE.read_text(encoding="utf-8"))

PROCESSES: Final[Mapping[str, Process]] = {
    name: _process(name, _DOCUMENT["every"], own) for name, own in _DOCUMENT["process"].items()
}
"""Every process by its name, in the order of `processes.toml`."""

FACTORIES: Final[Mapping[str, str]] = {name: process.factory for name, process in PROCESSES.items()}

COMMANDS_ENVIRONMENT: Final = tuple(_DOCUMENT["commands"]["environment"])
"""The settings of the migrations and of the keys command that users may set."""

ROLES: Final = tuple(dict.fromkeys(process.role for process in PROCESSES.values()))
"""The roles in PostgreSQL that processes log in with."""

OWN_SECRETS: Final = tuple(dict.fromkeys(name for process in PROCESSES.values() for name in process.secrets))
"""The secrets of processes that are no password of a store."""

REPLICAS_SETTINGS: Final = tuple(process.replicas_setting for process in PROCESSES.values() if process.replicas_setting)


def read_instances(values: Mapping[str, str], *, production: bool = False) -> tuple[Instance, ...]:
    """Every instance that an environment asks for. Raises ValueError for a number of replicas that cannot be."""
    return tuple(
        Instance(process, number + 1)
        for process in PROCESSES.values()
        for number in range(_replicas(process, values, production=production))
    )


def _replicas(process: Process, values: Mapping[str, str], *, production: bool) -> int:
    usual = (process.production.replicas if production else None) or process.replicas
    text = (values.get(process.replicas_setting) or "").strip() if process.replicas_setting else ""
    if not text:
        return usual
    if not (text.isascii() and text.isdecimal() and len(text) <= 2 and 1 <= int(text) <= MAX_REPLICAS):
        raise ValueError(f"{process.replicas_setting} must be a whole number from 1 to {MAX_REPLICAS}, not {text!r}.")
    return int(text)


def pools(instances: Iterable[Instance]) -> dict[Pool, list[Instance]]:
    """nginx's pools and the instances in each."""
    found: dict[Pool, list[Instance]] = {}
    for instance in instances:
        if instance.process.pool:
            found.setdefault(instance.process.pool, []).append(instance)
    return found
