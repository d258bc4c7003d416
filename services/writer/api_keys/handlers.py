"""Calls of `/keys`: HTTP in, one call, HTTP out."""

import re

from aiohttp import web

from services.writer.api_keys import creation
from services.writer.api_keys.schemas import NewKeySchema, dump_key
from shared.domain.errors import KeyNotFound
from shared.http.json import json_response, read_json
from shared.http.stores import DATABASE
from shared.postgres.tables import api_keys
from shared.schemas.parsing import parse


async def list_keys(request: web.Request) -> web.Response:
    """All keys, none of them with its secret."""
    return json_response({"keys": [dump_key(key) for key in await api_keys.all_valid(request.app[DATABASE])]})


async def create_key(request: web.Request) -> web.Response:
    """A new key; the only answer that shows it."""
    wanted = parse(NewKeySchema(), await read_json(request))
    key, secret = await creation.make_key(request.app[DATABASE], **wanted)
    headers = {"Location": f"/keys/{key.id}", "Cache-Control": "no-store"}
    return json_response({**dump_key(key), "key": secret}, status=201, headers=headers)


async def revoke_key(request: web.Request) -> web.Response:
    """End a key."""
    text = request.match_info["id"]
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise KeyNotFound("There is no such key.")
    await creation.revoke(request.app[DATABASE], int(text))
    return web.Response(status=204)
