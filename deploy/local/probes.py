"""Checks from outside: whether ports are free, and whether services are ready."""

import json
import socket
import urllib.request
from http.client import HTTPException

from deploy.common.faults import RuntimeFault
from deploy.common.start_time import read_start_time
from deploy.local.settings import LocalSettings


def check_ports(settings: LocalSettings) -> None:
    """Raise RuntimeFault when a port is not free."""
    ports = settings.all_ports()
    if len(set(ports.values())) < len(ports):
        raise RuntimeFault(f"Two settings name the same port: {ports}")
    taken = [f"    {port}: choose another with {name}" for name, port in ports.items() if _is_taken(port)]
    if taken:
        raise RuntimeFault("These ports are in use by other programs:\n" + "\n".join(taken))


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def get(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=3) as response:  # noqa: S310  # always http
            return str(response.read().decode())
    except (OSError, HTTPException):
        return None


def is_ready(base_url: str) -> bool:
    text = get(f"{base_url}/ready")
    return text is not None and json.loads(text)["status"] == "ready"


def url_of(port: int) -> str:
    """The URL of a process on this machine."""
    return f"http://127.0.0.1:{port}"


def has_restarted(port: int, before: str | None) -> bool:
    """Whether a process started at another time than `before`, and is ready."""
    return started_at(port) not in (None, before) and is_ready(url_of(port))


def started_at(port: int) -> str | None:
    """When the process on a port started, from its metrics; None while it does not respond."""
    return read_start_time(get(f"{url_of(port)}/metrics") or "")
