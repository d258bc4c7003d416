"""JSON request bodies and JSON responses."""

import json
from typing import Any

from aiohttp import web

from shared.domain.errors import BodyTooLarge, MalformedJson, WrongContentType


async def read_json(request: web.Request, *content_types: str, limit: int | None = None) -> Any:
    """The parsed JSON body, of at most `limit` bytes (None: the limit of the application).

    `content_types`: the accepted types; by default `application/json` only.

    Raises WrongContentType, BodyTooLarge or MalformedJson.
    """
    accepted = content_types or ("application/json",)
    if request.content_type not in accepted:
        raise WrongContentType(f"Send Content-Type: {accepted[0]}.")
    if limit is not None:
        request = request.clone(client_max_size=limit)
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge as fault:
        raise BodyTooLarge(f"The body may have at most {request.client_max_size:,} bytes.") from fault
    return parse_json(body)


def parse_json(body: bytes) -> Any:
    """Parse a JSON document (RFC 8259, which excludes NaN). Raises MalformedJson."""
    try:
        return json.loads(body.decode(), parse_constant=_refuse_constant)
    except UnicodeDecodeError as fault:
        raise MalformedJson("The body is not UTF-8.") from fault
    except (ValueError, RecursionError) as fault:
        raise MalformedJson(f"The body is not valid JSON: {fault}.") from fault


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def json_response(document: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON response in UTF-8."""
    return web.Response(
        status=status,
        body=json.dumps(document, ensure_ascii=False).encode(),
        content_type="application/json",
        headers=headers,
    )
