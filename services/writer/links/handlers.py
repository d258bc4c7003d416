"""Calls of `/links`: HTTP in, one call, HTTP out."""

import asyncio
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from services.writer.app_keys import GROUP_COMMIT, NEW_LINK, PUBLISHER, SETTINGS
from services.writer.links import changes, idempotency, listing
from services.writer.links.creation import CreationResult, LinkRequest
from services.writer.links.schemas import BatchSchema, LinkPatchSchema, ListQuery, PurgeQuery, ReuseQuery, dump_link
from shared.domain.codes import LinkName, in_default_domain, is_code
from shared.domain.errors import Forbidden, InvalidInput, LinkNotFound
from shared.domain.models import Link, LinkOptions, NewLink
from shared.http import problems
from shared.http.auth import ALLOWANCE, CALLER
from shared.http.json import json_response, read_json
from shared.http.stores import DATABASE
from shared.process.logging import REQUEST_ID
from shared.schemas.parsing import parse, parse_query

# Made once: marshmallow takes longer to make a schema than to read a link by it.
_REUSE_QUERY: Final = ReuseQuery()
_BATCH: Final = BatchSchema()

_LINKS_A_REQUEST: Final = 50
"""So many links of a batch count as one request, about what they cost."""

_LINKS_A_TURN: Final = 50

_ETAG: Final = re.compile(r'\s*"v(\d{1,18})"\s*\Z')


async def create_link(request: web.Request) -> web.Response:
    """Shorten one URL: 201 with the link, 409 when the requested code is taken."""
    settings = request.app[SETTINGS]
    document = await read_json(request)
    created = await idempotency.create_link(
        request.app[DATABASE],
        _link_request(request, document),
        reuse=_reuse(request),
        idempotency_key=_idempotency_key(request, document),
        present=lambda link: dump_link(link, settings.public_url),
        group_commit=request.app[GROUP_COMMIT],
    )
    await request.app[PUBLISHER].publish(created.links)
    answer = created.document
    headers = {"Location": f"/links/{answer['code']}", "ETag": f'"v{answer["version"]}"'}
    return json_response(answer, status=created.status, headers=headers)


async def create_links(request: web.Request) -> web.Response:
    """Shorten many URLs: 200 with an item for each, in order."""
    settings = request.app[SETTINGS]
    document = await read_json(request, limit=settings.batch_body_limit)
    documents = parse(_BATCH, document)["links"]
    request[ALLOWANCE].acquire(len(documents) // _LINKS_A_REQUEST)
    created = await idempotency.create_links(
        request.app[DATABASE],
        await _link_requests(request, documents),
        owner_id=request[CALLER].id,
        idempotency_key=_idempotency_key(request, document),
        present=lambda results: {"items": [_item(result, settings.public_url) for result in results]},
    )
    await request.app[PUBLISHER].publish(created.links)
    return json_response(created.document)


async def list_links(request: web.Request) -> web.Response:
    """A page of links."""
    query = parse_query(ListQuery(), request.query)
    found, next_cursor = await listing.list_links(request.app[DATABASE], query)
    public_url = request.app[SETTINGS].public_url
    return json_response({"links": [dump_link(link, public_url) for link in found], "next_cursor": next_cursor})


async def get_link(request: web.Request) -> web.Response:
    """One link, with the ETag of its version."""
    return _answered(request, await changes.get(request.app[DATABASE], _name(request)))


async def change_link(request: web.Request) -> web.Response:
    """Merge changes into a link."""
    name = _name(request)
    document = await read_json(request, "application/merge-patch+json", "application/json")
    options = parse(LinkPatchSchema(request.app[SETTINGS].targets), document)
    link = await changes.change(request.app[DATABASE], name, options, based_on=_based_on(request))
    await request.app[PUBLISHER].publish([link])
    return _answered(request, link)


async def delete_link(request: web.Request) -> web.Response:
    """Delete a link, or with `?purge=true` remove it for good."""
    query = parse_query(PurgeQuery(), request.query)
    if query["purge"] and "admin" not in request[CALLER].scopes:
        raise Forbidden("To purge a link the key needs the scope admin.")
    remove = changes.purge if query["purge"] else changes.delete
    link = await remove(request.app[DATABASE], _name(request), based_on=_based_on(request))
    await request.app[PUBLISHER].publish([link])
    return web.Response(status=204)


async def restore_link(request: web.Request) -> web.Response:
    """Bring a deleted link back."""
    link = await changes.restore(request.app[DATABASE], _name(request))
    await request.app[PUBLISHER].publish([link])
    return _answered(request, link)


def _reuse(request: web.Request) -> bool:
    """Whether an equal link would do. Nearly nobody asks, so without a query there is nothing to read."""
    return bool(request.query_string) and bool(parse_query(_REUSE_QUERY, request.query)["reuse"])


def _link_request(request: web.Request, document: Any, what: str = "The body") -> LinkRequest:
    """What a document asks for. Raises InvalidInput."""
    wanted = parse(request.app[NEW_LINK], document, what)
    code = wanted.pop("code", None)
    return LinkRequest(NewLink(code=code, options=LinkOptions(**wanted)), request[CALLER].id)


async def _link_requests(request: web.Request, documents: Sequence[Any]) -> list[LinkRequest | InvalidInput]:
    """What each document asks for, or what is wrong with it."""
    link_requests: list[LinkRequest | InvalidInput] = []
    for document in documents:
        if len(link_requests) % _LINKS_A_TURN == 0:
            await asyncio.sleep(0)  # other requests wait meanwhile, and this is a tenth of a second of work
        try:
            link_requests.append(_link_request(request, document, "Each of links"))
        except InvalidInput as fault:
            link_requests.append(fault)
    return link_requests


def _item(result: CreationResult, public_url: str) -> dict[str, Any]:
    """What became of one link of a batch."""
    if isinstance(result, Link):
        return {"status": 201, "link": dump_link(result, public_url)}
    problem = problems.of_error(result)
    return {"status": problem.kind.status, "problem": problem.document(REQUEST_ID.get())}


def _name(request: web.Request) -> LinkName:
    code = request.match_info["code"]
    if not is_code(code):
        raise LinkNotFound("There is no link of this code.")
    return in_default_domain(code)


def _answered(request: web.Request, link: Link) -> web.Response:
    document = dump_link(link, request.app[SETTINGS].public_url)
    return json_response(document, headers={"ETag": f'"v{link.version}"'})


def _based_on(request: web.Request) -> changes.Versions:
    """The versions of If-Match (RFC 9110, 13.1.1); None when the client did not say, or said `*`."""
    tags = ",".join(request.headers.getall("If-Match", []))
    if not tags or tags.strip() == "*":
        return None
    return frozenset(int(match[1]) for tag in tags.split(",") if (match := _ETAG.match(tag)))


def _idempotency_key(request: web.Request, document: Any) -> idempotency.IdempotencyKey | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        raise InvalidInput({"Idempotency-Key": ["Must have 1 to 255 printable ASCII characters."]})
    text = json.dumps([document, request.query.get("reuse") == "true"], sort_keys=True)
    return idempotency.IdempotencyKey(key, hashlib.sha256(text.encode()).digest())
