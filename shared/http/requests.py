"""What nginx says of a request: its id, and whose it is."""

import re
import uuid
from typing import Final

from aiohttp import web

_REQUEST_ID: Final = re.compile(r"[0-9a-f]{32}\Z")


def request_id(request: web.Request) -> str:
    """The id that nginx gave the request, or a new one where there is no nginx before us."""
    given = request.headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.match(given) else uuid.uuid4().hex


def client_address(request: web.Request) -> str:
    """Whose request this is, as nginx saw it."""
    return request.headers.get("X-Real-IP") or request.remote or ""
