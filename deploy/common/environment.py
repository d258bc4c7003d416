"""The environment and `.env`, as far as both runtimes read them in the same way."""

from collections.abc import Mapping
from pathlib import Path

from deploy.common.faults import RuntimeFault
from deploy.processes import Instance, read_instances


def read_env_file(path: Path) -> dict[str, str]:
    """Read an `.env` file; a missing file has no settings. Raises RuntimeFault for a line that is no setting."""
    if not path.is_file():
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        raise RuntimeFault(f"{path} cannot be read: {fault}") from fault
    values = {}
    for number, line in enumerate(text.splitlines(), 1):
        setting = line.strip()
        if not setting or setting.startswith("#"):
            continue
        name, equals, value = setting.partition("=")
        if not equals:
            raise RuntimeFault(f"{path}, line {number}: write NAME=value.")
        values[name.strip()] = value.strip().strip("\"'")
    return values


def instances_of(values: Mapping[str, str], *, production: bool = False) -> tuple[Instance, ...]:
    """Every instance that an environment asks for. Raises RuntimeFault for a wrong number of replicas."""
    try:
        return read_instances(values, production=production)
    except ValueError as fault:
        raise RuntimeFault(str(fault)) from fault
