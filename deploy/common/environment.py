"""The environment and `.env`, as far as both runtimes read them in the same way."""

import difflib
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.common.checkout import CHECKOUT
from deploy.common.faults import RuntimeFault
from deploy.processes import COMMANDS_ENVIRONMENT, PROCESSES, REPLICAS_SETTINGS, Instance, read_instances

_OF_RUNTIMES: Final = (
    "BOLTLINK_ADMIN_KEY",
    "BOLTLINK_ADMIN_KEY_FILE",
    "BOLTLINK_ALERT_WEBHOOK_URL",
    "BOLTLINK_ALERT_WEBHOOK_URL_FILE",
    "BOLTLINK_DATABASE",
    "BOLTLINK_DURABLE",
    "BOLTLINK_INNER_PORT",
    "BOLTLINK_POSTGRES_PORT",
    "BOLTLINK_PRODUCTION",
    "BOLTLINK_REDIS_PORT",
    "BOLTLINK_STATE",
)
"""The settings that deploy/ alone reads."""

_PREFIXES_OF_DOCKER: Final = ("COMPOSE_", "DOCKER_")
"""Docker and Compose read settings of their own from the same file."""


def read_env_file(path: Path) -> dict[str, str]:
    """Read an `.env` file; a missing file has no settings. Raises RuntimeFault, which lists every faulty line."""
    values, faults = parse_env_file(path)
    if faults:
        raise RuntimeFault("\n".join(faults))
    return values


def parse_env_file(path: Path) -> tuple[dict[str, str], list[str]]:
    """Read an `.env` file; return its settings, and a message for each faulty line."""
    if not path.is_file():
        return {}, []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return {}, [f"{path} cannot be read: {error}"]
    values: dict[str, str] = {}
    faults = []
    for number, line in enumerate(text.splitlines(), 1):
        setting = line.strip()
        if not setting or setting.startswith("#"):
            continue
        name, _, value = (part.strip() for part in setting.partition("="))
        if fault := _fault(setting, name):
            faults.append(f"{path.name}, line {number}: {fault}")
        else:
            values[name] = value.strip("\"'")
    return values, faults


def _fault(setting: str, name: str) -> str | None:
    """What is wrong with a line; None when nothing is."""
    if "=" not in setting:
        return "write NAME=value."
    first, _, rest = setting.partition(" ")
    if first == "export":
        return f"write {rest.strip()}, without export."
    if name in known_names() or name.startswith(_PREFIXES_OF_DOCKER):
        return None
    near = difflib.get_close_matches(name, known_names(), n=1)
    return f"{name} is no setting of BoltLink" + (f"; did you mean {near[0]}?" if near else ".")


@functools.cache
def known_names() -> frozenset[str]:
    """Every setting that may stand in `.env`, for any runtime."""
    names = {*_OF_RUNTIMES, *REPLICAS_SETTINGS, *COMMANDS_ENVIRONMENT}
    names.update(name for process in PROCESSES.values() for name in process.environment)
    for file in CHECKOUT.glob("docker-compose*.yml"):
        names.update(re.findall(r"(?<!\$)\$\{([A-Z_]+)", file.read_text(encoding="utf-8")))
    return frozenset(names)


def instances_of(values: Mapping[str, str], *, production: bool = False) -> tuple[Instance, ...]:
    """Every instance that an environment asks for. Raises RuntimeFault for a wrong number of replicas."""
    try:
        return read_instances(values, production=production)
    except ValueError as fault:
        raise RuntimeFault(str(fault)) from fault
