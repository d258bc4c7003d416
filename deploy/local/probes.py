"""Checks from outside whether services are ready."""

import json
import urllib.request
from http.client import HTTPException

from deploy.common.start_time import read_start_time


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
