"""Typed access to environment variables, and the settings that several services share.

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
    """Reads values by type and collects the faults, so that one attempt to start reports all of them."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self._faults: list[str] = []
        self.names: list[str] = []
        """The name of every variable that was read, in order; the documentation has to describe each."""

    def finish(self) -> None:
        """Raise SettingsError if there were faults; the message has one line for each."""
        if self._faults:
            raise SettingsError("\n".join(self._faults))

    def text(self, name: str, default: str | None = None) -> str:
        """A non-empty text; required unless there is a default."""
        value = self._read(name)
        if value:
            return value
        if default is None:
            self._faults.append(f"{name} is required.")
        return default or ""

    def secret(self, name: str, default: str | None = None) -> str:
        """A text, or the content of the file whose path is in `NAME_FILE`."""
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
        """A whole number from `least` to `most`."""
        value = self._read(name)
        try:
            number = int(value) if value else default
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            self._faults.append(f"{name} must be a whole number from {least} to {most}, not {value!r}.")
        return number

    def seconds(self, name: str, default: float, *, least: float = 0.001, most: float = 86_400 * 366) -> float:
        """A number of seconds from `least` to `most`, fractions included."""
        value = self._read(name)
        try:
            number = float(value) if value else default
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            self._faults.append(f"{name} must be seconds from {least:g} to {most:g}, not {value!r}.")
        return number

    def choice(self, name: str, default: str, choices: Sequence[str]) -> str:
        """One of several words; upper and lower case make no difference."""
        value = self._read(name) or default
        for choice in choices:
            if value.lower() == choice.lower():
                return choice
        self._faults.append(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
        return default

    def words(self, name: str, default: str, *, forbidden: AbstractSet[str] = frozenset()) -> tuple[str, ...]:
        """Words that are separated by spaces or commas, in lower case."""
        words = tuple((self._read(name) or default).replace(",", " ").lower().split())
        if wrong := forbidden & set(words):
            self._faults.append(f"{name} must not contain {', '.join(sorted(wrong))}.")
        return words

    def computed(self, name: str, compute: Callable[[], T], fallback: T) -> T:
        """The result of `compute`; a ValueError that it raises is a fault of the setting `name`."""
        try:
            return compute()
        except ValueError as fault:
            self._faults.append(f"{name}: {fault}.")
            return fallback

    def url(self, name: str, default: str | None, schemes: Sequence[str]) -> str:
        """An absolute URL with one of the schemes, without a trailing slash."""
        return self._valid_url(name, self.text(name, default), schemes)

    def secret_url(self, name: str, schemes: Sequence[str]) -> str:
        """A required URL that may contain a password, and therefore has a `NAME_FILE` variant."""
        return self._valid_url(name, self.secret(name), schemes)

    def _read(self, name: str) -> str:
        self.names.append(name)
        return self._values.get(name, "").strip()

    def _valid_url(self, name: str, value: str, schemes: Sequence[str]) -> str:
        try:
            parts = urlsplit(value)
            is_valid = parts.scheme in schemes and (bool(parts.netloc) or parts.scheme == "unix")
        except ValueError:
            is_valid = False
        if value and not is_valid:  # the message does not quote the value, because it may contain a password
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
    """How to reach Redis; `timeout` (seconds) limits every connect and every command."""

    url: str
    timeout: float

    @classmethod
    def read(cls, env: Environment, *, timeout: float) -> Self:
        return cls(
            url=env.secret_url("REDIS_URL", ("redis", "rediss", "unix")),
            timeout=env.seconds("REDIS_TIMEOUT", timeout),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceSettings:
    """The id of the process, and the level of its log."""

    instance_id: str
    log_level: str

    @classmethod
    def read(cls, env: Environment, *, default_id: str) -> Self:
        return cls(
            instance_id=env.text("INSTANCE_ID", default_id),
            log_level=env.choice("LOG_LEVEL", "INFO", LOG_LEVELS),
        )


def public_url(env: Environment) -> str:
    """The public address of the installation, with which every short URL begins."""
    address = env.url("PUBLIC_URL", "http://localhost:8080", ("http", "https"))
    return env.computed("PUBLIC_URL", lambda: address and _code_prefix(address), "")


def _code_prefix(address: str) -> str:
    """The address, if a code can be appended to it. Raises ValueError otherwise."""
    if "?" in address or "#" in address:
        raise ValueError("it must not contain ? or #")
    authority(address)
    return address


def link_lifetime(env: Environment) -> int:
    """Seconds for which Redis keeps the record of a link after it was written."""
    return env.integer("LINK_LIFETIME", 7 * 86_400, least=60)
