"""The headers that nginx adds to a request: its id, the time of its arrival, and the address of the client."""

import re
import uuid
from typing import Final

from aiohttp import web

REQUEST_ID_PATTERN: Final = r"[0-9a-f]{32}"
"""A regular expression of the `X-Request-ID` that nginx generates."""

START_PATTERN: Final = r"\d{10}\.\d{3}"
"""A regular expression of the `X-Request-Start` that nginx writes: Unix time in seconds."""

_REQUEST_ID: Final = re.compile(REQUEST_ID_PATTERN)
_START: Final = re.compile(START_PATTERN, re.ASCII)


def request_id(request: web.Request) -> str:
    """The id that nginx gave the request; a new one when the request did not come through nginx."""
    given = request.headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def start_ms(request: web.Request) -> int | None:
    """When nginx received the request (Unix time, milliseconds); None when the request did not come through nginx."""
    given = request.headers.get("X-Request-Start", "")
    return int(given.replace(".", "")) if _START.fullmatch(given) else None


def client_address(request: web.Request) -> str:
    """The client's address, as nginx saw it."""
    return request.headers.get("X-Real-IP") or request.remote or ""
