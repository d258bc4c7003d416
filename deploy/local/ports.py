"""Checks the ports before anything is started or changed."""

import json
import socket
from itertools import combinations
from pathlib import Path

from deploy.common.faults import RuntimeFault
from deploy.local import monitoring
from deploy.local.settings import LocalSettings
from deploy.local.supervision import Supervisor


def check_distinct(settings: LocalSettings) -> None:
    """Raise RuntimeFault when two settings name the same port."""
    pairs = combinations(settings.all_ports().items(), 2)
    faults = [f"{one} and {other} are both {port}" for (one, port), (other, same) in pairs if port == same]
    if faults:
        raise RuntimeFault("\n".join(f"{fault}; change one of them." for fault in faults))


def check_free(settings: LocalSettings, supervisor: Supervisor) -> None:
    """Raise RuntimeFault when another program uses a port that the settings name."""
    held = _held(settings, supervisor) if supervisor.runs else set()
    if held is None:
        return
    ports = settings.all_ports().items()
    taken = [f"    {port} ({name})" for name, port in ports if port not in held and _is_taken(port)]
    if taken:
        raise RuntimeFault("These ports are in use by other programs; choose others:\n" + "\n".join(taken))


def record(settings: LocalSettings) -> None:
    """Record the ports that the programs under supervisord use now."""
    ports = set(settings.all_ports().values()) - {settings.supervisor_port}
    if monitoring.is_on(settings):
        ports.update(monitoring.ports(settings).values())
    _file(settings).write_text(json.dumps(sorted(ports)), encoding="utf-8")


def _held(settings: LocalSettings, supervisor: Supervisor) -> set[int] | None:
    """The ports that the running system uses; None when no list of them can be read.

    supervisord stays on the port of its start, so its port counts only while the setting is still the same.
    """
    try:
        held = set(json.loads(_file(settings).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return held | ({supervisor.port} & {settings.supervisor_port})


def _file(settings: LocalSettings) -> Path:
    return settings.state / "ports.json"


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
