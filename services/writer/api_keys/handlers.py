"""The handlers of `/keys`."""

import re
from typing import Final

from aiohttp import web

from services.writer.api_keys import creation
from services.writer.api_keys.schemas import NewKeySchema, dump_key
from shared.domain.errors import KeyNotFound
from shared.http.caching import NO_STORE
from shared.http.json import json_response, read_json
from shared.http.stores import DATABASE
from shared.postgres.tables import api_keys
from shared.schemas.parsing import parse

_ID: Final = re.compile(r"[0-9]{1,18}")
"""An id that fits into a bigint."""


async def list_keys(request: web.Request) -> web.Response:
    """Respond with all keys that are not revoked, without their secrets."""
    return json_response({"keys": [dump_key(key) for key in await api_keys.all_unrevoked(request.app[DATABASE])]})


async def create_key(request: web.Request) -> web.Response:
    """Create a key. Only this response contains its secret."""
    requested = parse(NewKeySchema(), await read_json(request))
    key, secret = await creation.make_key(request.app[DATABASE], **requested)
    headers = {"Location": f"/keys/{key.id}", "Cache-Control": NO_STORE}
    return json_response({**dump_key(key), "key": secret}, status=201, headers=headers)


async def revoke_key(request: web.Request) -> web.Response:
    """Revoke a key."""
    text = request.match_info["id"]
    if not _ID.fullmatch(text):
        raise KeyNotFound("There is no such key.")
    await creation.revoke(request.app[DATABASE], int(text))
    return web.Response(status=204)
