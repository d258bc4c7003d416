"""The handlers of `/links`."""

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from services.writer.app_keys import GROUP_COMMIT, NEW_LINK, PUBLISHER, SETTINGS
from services.writer.links import changes, creation, idempotency, listing
from services.writer.links.insertion import CreationResult, LinkRequest
from services.writer.links.schemas import BatchSchema, LinkPatchSchema, ListQuery, PurgeQuery, ReuseQuery, dump_link
from shared.domain.codes import LinkName, link_name
from shared.domain.errors import Forbidden, InvalidInput
from shared.domain.models import Link, LinkOptions, NewLink
from shared.http import problems
from shared.http.auth import CALLER, QUOTA
from shared.http.json import json_response, read_json
from shared.http.stores import DATABASE
from shared.process.logging import REQUEST_ID
from shared.schemas.parsing import parse, parse_query

# Created once, because marshmallow takes longer to create a schema than to parse a link by it.
_REUSE_QUERY: Final = ReuseQuery()
_BATCH_SCHEMA: Final = BatchSchema()

_LINKS_PER_REQUEST: Final = 50
"""This many links of a batch count as one request of the rate limit; they take about as long as one."""

_LINKS_PER_TURN: Final = 50
"""After parsing this many links of a batch, other requests get a turn."""


def _etag(version: int) -> str:
    """The ETag of a version of a link; `_ETAG` parses it."""
    return f'"v{version}"'


_ETAG: Final = re.compile(r'\s*"v(\d{1,18})"\s*\Z')


async def create_link(request: web.Request) -> web.Response:
    """Shorten one URL: 201 with the link, 409 when the requested code is taken."""
    settings = request.app[SETTINGS]
    document = await read_json(request)
    created = await creation.create_link(
        request.app[DATABASE],
        _link_request(request, document),
        reuse=_reuse(request),
        idempotency_key=_idempotency_key(request, document),
        present=lambda link: dump_link(link, settings.public_url),
        group_commit=request.app[GROUP_COMMIT],
    )
    await request.app[PUBLISHER].publish(created.links)
    link = created.document
    headers = {"Location": f"/links/{link['code']}", "ETag": _etag(link["version"])}
    return json_response(link, status=created.status, headers=headers)


async def create_links(request: web.Request) -> web.Response:
    """Shorten many URLs: 200 with an item for each, in order."""
    settings = request.app[SETTINGS]
    document = await read_json(request, limit=settings.batch_body_limit)
    documents = parse(_BATCH_SCHEMA, document)["links"]
    request[QUOTA].acquire(len(documents) // _LINKS_PER_REQUEST)
    created = await creation.create_links(
        request.app[DATABASE],
        await _link_requests(request, documents),
        owner_id=request[CALLER].id,
        idempotency_key=_idempotency_key(request, document),
        present=lambda results: {"items": [_item(result, settings.public_url) for result in results]},
    )
    await request.app[PUBLISHER].publish(created.links)
    return json_response(created.document)


async def list_links(request: web.Request) -> web.Response:
    """Respond with a page of links."""
    query = parse_query(ListQuery(), request.query)
    found, next_cursor = await listing.list_links(request.app[DATABASE], query)
    public_url = request.app[SETTINGS].public_url
    return json_response({"links": [dump_link(link, public_url) for link in found], "next_cursor": next_cursor})


async def get_link(request: web.Request) -> web.Response:
    """Respond with one link, with its version as the ETag."""
    return _link_response(request, await changes.get(request.app[DATABASE], _name(request)))


async def change_link(request: web.Request) -> web.Response:
    """Apply a merge patch to a link."""
    name = _name(request)
    document = await read_json(request, "application/merge-patch+json", "application/json")
    options = parse(LinkPatchSchema(request.app[SETTINGS].targets), document)
    link = await changes.change(request.app[DATABASE], name, options, based_on=_based_on(request))
    await request.app[PUBLISHER].publish([link])
    return _link_response(request, link)


async def delete_link(request: web.Request) -> web.Response:
    """Delete a link; with `?purge=true` remove it permanently."""
    query = parse_query(PurgeQuery(), request.query)
    if query["purge"] and "admin" not in request[CALLER].scopes:
        raise Forbidden("Purging a link requires an API key with the scope admin.")
    remove = changes.purge if query["purge"] else changes.delete
    link = await remove(request.app[DATABASE], _name(request), based_on=_based_on(request))
    await request.app[PUBLISHER].publish([link])
    return web.Response(status=204)


async def restore_link(request: web.Request) -> web.Response:
    """Restore a deleted link."""
    link = await changes.restore(request.app[DATABASE], _name(request))
    await request.app[PUBLISHER].publish([link])
    return _link_response(request, link)


def _reuse(request: web.Request) -> bool:
    """Whether the client accepts an equal link. Usually there is no query, and then none is parsed."""
    return bool(request.query_string) and bool(parse_query(_REUSE_QUERY, request.query)["reuse"])


def _link_request(request: web.Request, document: Any, what: str = "The body") -> LinkRequest:
    """The request for a link that a document contains. Raises InvalidInput."""
    requested = parse(request.app[NEW_LINK], document, what)
    code = requested.pop("code", None)
    return LinkRequest(NewLink(code=code, options=LinkOptions(**requested)), request[CALLER].id)


async def _link_requests(request: web.Request, documents: Sequence[Any]) -> list[LinkRequest | InvalidInput]:
    """The request for a link in each document, or its faults."""
    link_requests: list[LinkRequest | InvalidInput] = []
    for document in documents:
        if len(link_requests) % _LINKS_PER_TURN == 0:
            await asyncio.sleep(0)  # parsing a whole batch at once would block other requests
        try:
            link_requests.append(_link_request(request, document, "Each of links"))
        except InvalidInput as fault:
            link_requests.append(fault)
    return link_requests


def _item(result: CreationResult, public_url: str) -> dict[str, Any]:
    """The item of a batch's response for one result."""
    if isinstance(result, Link):
        return {"status": 201, "link": dump_link(result, public_url)}
    problem = problems.of_error(result)
    return {"status": problem.kind.status, "problem": problem.document(REQUEST_ID.get())}


def _name(request: web.Request) -> LinkName:
    return link_name(request.match_info["code"])


def _link_response(request: web.Request, link: Link) -> web.Response:
    document = dump_link(link, request.app[SETTINGS].public_url)
    return json_response(document, headers={"ETag": _etag(link.version)})


def _based_on(request: web.Request) -> changes.Versions:
    """The versions in If-Match (RFC 9110, 13.1.1); None when the header is absent or `*`."""
    tags = ",".join(request.headers.getall("If-Match", []))
    if not tags or tags.strip() == "*":
        return None
    return frozenset(int(match[1]) for tag in tags.split(",") if (match := _ETAG.match(tag)))


def _idempotency_key(request: web.Request, document: Any) -> idempotency.IdempotencyKey | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= idempotency.MAX_KEY_LENGTH or not key.isascii() or not key.isprintable():
        raise InvalidInput(
            {"Idempotency-Key": [f"Must have 1 to {idempotency.MAX_KEY_LENGTH} printable ASCII characters."]}
        )
    text = json.dumps([document, request.query.get("reuse") == "true"], sort_keys=True)
    return idempotency.IdempotencyKey(key, hashlib.sha256(text.encode()).digest())
