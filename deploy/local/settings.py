"""The settings of the local runtime, from the environment or from `.env` in the checkout (docs/configuration.md)."""

import hashlib
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from deploy.common.checkout import CHECKOUT
from deploy.common.environment import instances_of, parse_env_file
from deploy.common.faults import RuntimeFault
from deploy.processes import COMMANDS_ENVIRONMENT, PROCESSES, Instance

HANDED_ON: Final = tuple(
    dict.fromkeys([*(name for kind in PROCESSES.values() for name in kind.environment), *COMMANDS_ENVIRONMENT])
)
"""The settings that the runtime hands on to the processes as they are. It sets all others itself."""


@dataclass(frozen=True, kw_only=True)
class LocalSettings:
    """One installation on this machine: its instances, its ports, and the folder of its state."""

    state: Path
    listen: str
    port: int
    public_url: str
    postgres_port: int
    redis_port: int
    inner_port: int
    database: str
    redis_memory: str
    trusted_proxies: tuple[str, ...]
    admin_key: str
    alert_webhook_url: str
    durable: bool
    instances: tuple[Instance, ...]
    handed_on: Mapping[str, str]

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def secrets(self) -> Path:
        return self.state / "secrets"

    @property
    def base_url(self) -> str:
        """The address of nginx from this machine."""
        host = "127.0.0.1" if self.listen in ("0.0.0.0", "::") else self.listen  # noqa: S104  # compared, not bound
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def supervisor_port(self) -> int:
        return self.inner_port

    @property
    def status_port(self) -> int:
        """The port of nginx's stub_status, on loopback."""
        return self.inner_port + 1

    @property
    def http_ports(self) -> dict[str, int]:
        """The port of every instance, by the instance's name."""
        return {instance.name: self.inner_port + 2 + place for place, instance in enumerate(self.instances)}

    def all_ports(self) -> dict[str, int]:
        """Every port that has to be free, by the setting that determines it."""
        ports = {"BOLTLINK_PORT": self.port}
        ports |= {"BOLTLINK_POSTGRES_PORT": self.postgres_port, "BOLTLINK_REDIS_PORT": self.redis_port}
        inner = [self.supervisor_port, self.status_port, *self.http_ports.values()]
        offsets = {port: f" + {port - self.inner_port}" if port > self.inner_port else "" for port in inner}
        return ports | {f"BOLTLINK_INNER_PORT{offset}": port for port, offset in offsets.items()}


class _Values(dict[str, str]):
    """The settings as they are written, and the faults that are found while they are read."""

    def __init__(self, environ: Mapping[str, str], env_file: Path) -> None:
        lines, self.faults = parse_env_file(env_file)
        super().__init__({**lines, **environ})

    def instances(self) -> tuple[Instance, ...]:
        try:
            return instances_of(self)
        except RuntimeFault as fault:
            self.faults.append(str(fault))
            return ()

    def finish(self) -> None:
        """Raise RuntimeFault, which lists every fault."""
        if len(self.faults) == 1:
            raise RuntimeFault(self.faults[0])
        if self.faults:
            raise RuntimeFault("\n    ".join(["Some settings are wrong:", *self.faults]))


def read_settings(environ: Mapping[str, str] = os.environ, checkout: Path = CHECKOUT) -> LocalSettings:
    """Read the settings of a checkout; the environment wins over `.env`. Raises RuntimeFault with every fault."""
    values = _Values(environ, checkout / ".env")
    port = _port(values, "BOLTLINK_PORT", 8080)
    settings = LocalSettings(
        state=_state(values.get("BOLTLINK_STATE", ""), checkout),
        listen=_address(values, "BOLTLINK_LISTEN", default="127.0.0.1"),
        port=port,
        public_url=(values.get("BOLTLINK_PUBLIC_URL") or f"http://localhost:{port}").rstrip("/"),
        postgres_port=_port(values, "BOLTLINK_POSTGRES_PORT", 15432),
        redis_port=_port(values, "BOLTLINK_REDIS_PORT", 16379),
        inner_port=_port(values, "BOLTLINK_INNER_PORT", 17000),
        database=_matching(
            values,
            "BOLTLINK_DATABASE",
            default="boltlink",
            pattern=r"[a-z_][a-z0-9_]{0,50}",
            expected="a name of a-z, 0-9 and _",
        ),
        redis_memory=_matching(
            values,
            "BOLTLINK_REDIS_MEMORY",
            default="512mb",
            pattern=r"\d{1,15}([kmg]?b|[kmg])?",
            expected="a number with b, kb, mb or gb, such as 512mb",
        ),
        trusted_proxies=_networks(values, "BOLTLINK_TRUSTED_PROXIES"),
        admin_key=_secret(values, "BOLTLINK_ADMIN_KEY"),
        alert_webhook_url=_secret(values, "BOLTLINK_ALERT_WEBHOOK_URL"),
        durable=values.get("BOLTLINK_DURABLE", "yes") != "no",
        instances=values.instances(),
        handed_on={name: _plain(values, name) for name in HANDED_ON if values.get(name)},
    )
    values.finish()
    return settings


def enterable_by_others(folder: Path) -> bool:
    """Whether a server that runs as another user can enter a folder."""
    return all(parent.stat().st_mode & 0o001 for parent in [folder, *folder.parents] if parent.exists())


def _state(requested: str, checkout: Path) -> Path:
    """The folder of all state. When only root may enter the checkout, the state is in /var/lib/boltlink instead."""
    if requested:
        return Path(requested).expanduser().resolve()
    usual = checkout / ".boltlink"
    if os.geteuid() != 0 or usual.is_symlink() or usual.exists() or enterable_by_others(checkout):
        return usual.resolve()
    mark = hashlib.sha256(str(checkout).encode()).hexdigest()[:8]
    return Path("/var/lib/boltlink") / f"{checkout.name}-{mark}"


def _port(values: _Values, name: str, default: int) -> int:
    text = values.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) <= 5) or not 1 <= int(text) <= 65_500:
        values.faults.append(f"{name} must be a port from 1 to 65500, not {text!r}.")
        return default
    return int(text)


def _address(values: _Values, name: str, *, default: str) -> str:
    text = values.get(name) or default
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        values.faults.append(f"{name} must be an IP address such as 127.0.0.1, not {text!r}.")
        return default


def _networks(values: _Values, name: str) -> tuple[str, ...]:
    words = values.get(name, "").replace(",", " ").split()
    try:
        for word in words:
            ipaddress.ip_network(word, strict=False)
    except ValueError as fault:
        values.faults.append(f"{name} must be IP addresses or networks such as 10.0.0.0/8: {fault}.")
    return tuple(words)


def _matching(values: _Values, name: str, *, default: str, pattern: str, expected: str) -> str:
    text = values.get(name) or default
    if not re.fullmatch(pattern, text, re.ASCII | re.IGNORECASE):
        values.faults.append(f"{name} must be {expected}, not {text!r}.")
    return text


def _plain(values: _Values, name: str) -> str:
    if not values[name].isprintable() or '"' in values[name]:
        values.faults.append(f"{name} must not contain quotes or control characters.")
    return values[name]


def _secret(values: _Values, name: str) -> str:
    if path := values.get(f"{name}_FILE"):
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as fault:
            values.faults.append(f"{name}_FILE: {fault}")
    return values.get(name, "")
