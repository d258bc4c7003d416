"""Typed reads of environment variables, and the settings that several services share.

Every variable is described in `docs/configuration.md`; a test compares the two.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self, TypeVar
from urllib.parse import urlsplit

from shared.domain.errors import SettingsError
from shared.domain.iri import authority

T = TypeVar("T")

LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class Environment:
    """Reads values by type and gathers every fault, so that one start shows them all."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._faults: list[str] = []
        self.names: list[str] = []
        """Every name that was asked for, in order: what the documentation has to describe."""

    def finish(self) -> None:
        """Raise SettingsError with every fault found so far, one a line."""
        if self._faults:
            raise SettingsError("\n".join(self._faults))

    def text(self, name: str, default: str | None = None) -> str:
        """A non-empty text; without a default it is required."""
        value = self._read(name)
        if value:
            return value
        if default is None:
            self._faults.append(f"{name} is required.")
        return default or ""

    def secret(self, name: str, default: str | None = None) -> str:
        """A text that may also stand in the file that `NAME_FILE` names."""
        path = self._read(f"{name}_FILE")
        if not path:
            return self.text(name, default)
        self.names.append(name)
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as fault:
            self._faults.append(f"{name}_FILE: cannot read {path}: {fault}.")
            return ""
        if not value and default is None:
            self._faults.append(f"{name}_FILE: {path} is empty.")
        return value

    def integer(self, name: str, default: int, *, least: int, most: int = 2**31 - 1) -> int:
        """A whole number in [least, most]."""
        value = self._read(name)
        try:
            number = int(value) if value else default
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            self._faults.append(f"{name} must be a whole number from {least} to {most}, not {value!r}.")
        return number

    def seconds(self, name: str, default: float, *, least: float = 0.001, most: float = 86_400 * 366) -> float:
        """A time in seconds in [least, most]; fractions are fine."""
        value = self._read(name)
        try:
            number = float(value) if value else default
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            self._faults.append(f"{name} must be seconds from {least:g} to {most:g}, not {value!r}.")
        return number

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        """One of a few words, whatever its case."""
        value = self._read(name) or default
        for choice in choices:
            if value.lower() == choice.lower():
                return choice
        self._faults.append(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
        return default

    def words(self, name: str, default: str, *, forbidden: AbstractSet[str] = frozenset()) -> tuple[str, ...]:
        """Some words with spaces or commas between them, in lower case."""
        words = tuple((self._read(name) or default).replace(",", " ").lower().split())
        if wrong := forbidden & set(words):
            self._faults.append(f"{name} must not contain {', '.join(sorted(wrong))}.")
        return words

    def checked(self, name: str, make: Callable[[], T], otherwise: T) -> T:
        """What `make` makes of values read before; its ValueError is a fault of the setting `name`."""
        try:
            return make()
        except ValueError as fault:
            self._faults.append(f"{name}: {fault}.")
            return otherwise

    def url(self, name: str, default: str | None, schemes: Sequence[str]) -> str:
        """An absolute URL of one of the schemes, without a trailing slash."""
        return self._checked_url(name, self.text(name, default), schemes)

    def secret_url(self, name: str, schemes: Sequence[str]) -> str:
        """A required URL that may carry a password, and so has a `NAME_FILE` variant."""
        return self._checked_url(name, self.secret(name), schemes)

    def _read(self, name: str) -> str:
        self.names.append(name)
        return self._values.get(name, "").strip()

    def _checked_url(self, name: str, value: str, schemes: Sequence[str]) -> str:
        try:
            parts = urlsplit(value)
            good = parts.scheme in schemes and (bool(parts.netloc) or parts.scheme == "unix")
        except ValueError:
            good = False
        if value and not good:  # the value itself stays unsaid: it may hold a password
            self._faults.append(f"{name} must be a URL that begins with {' or '.join(f'{s}://' for s in schemes)}.")
            return ""
        return value.rstrip("/")


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseSettings:
    """How to reach Postgres; times in seconds."""

    url: str
    pool_size: int
    acquire_timeout: float
    connect_timeout: float
    statement_timeout: float

    @classmethod
    def read(cls, env: Environment, statement_timeout: float = 5.0) -> Self:
        return cls(
            url=env.secret_url("DATABASE_URL", ("postgresql", "postgres")),
            pool_size=env.integer("DATABASE_POOL_SIZE", 10, least=1, most=1_000),
            acquire_timeout=env.seconds("DATABASE_ACQUIRE_TIMEOUT", 2.0),
            connect_timeout=env.seconds("DATABASE_CONNECT_TIMEOUT", 2.0),
            statement_timeout=env.seconds("DATABASE_STATEMENT_TIMEOUT", statement_timeout),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class RedisSettings:
    """How to reach Redis; `timeout` in seconds bounds every connect and every command."""

    url: str
    timeout: float

    @classmethod
    def read(cls, env: Environment, *, timeout: float = 1.0) -> Self:
        return cls(
            url=env.secret_url("REDIS_URL", ("redis", "rediss", "unix")),
            timeout=env.seconds("REDIS_TIMEOUT", timeout),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceSettings:
    """Which process this is, and how it speaks."""

    instance_id: str
    log_level: str

    @classmethod
    def read(cls, env: Environment, *, default_id: str) -> Self:
        return cls(
            instance_id=env.text("INSTANCE_ID", default_id),
            log_level=env.choice("LOG_LEVEL", "INFO", LOG_LEVELS),
        )


def public_url(env: Environment) -> str:
    """The address that people type: what every short URL begins with."""
    address = env.url("PUBLIC_URL", "http://localhost:8080", ("http", "https"))
    return env.checked("PUBLIC_URL", lambda: address and _beginning(address), "")


def _beginning(address: str) -> str:
    """An address that a code can be put behind. Raises ValueError for another."""
    if "?" in address or "#" in address:
        raise ValueError("it must end before any ? or #")
    return authority(address) and address
