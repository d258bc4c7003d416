import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from shared.domain.errors import Unauthenticated
from shared.http.auth import auth_middleware, bearer_token
from shared.http.rate_limit import LimitSettings
from tests.unit.conftest import Start


async def nothing(_request: web.Request) -> web.Response:
    return web.Response()


def request(authorization: str | None) -> web.Request:
    headers = {} if authorization is None else {"Authorization": authorization}
    return make_mocked_request("GET", "/", headers=headers)


@pytest.mark.parametrize("authorization", ["Bearer bl_key", "bearer bl_key", "BEARER   bl_key "])
def test_a_bearer_token_is_read(authorization: str) -> None:
    assert bearer_token(request(authorization)) == "bl_key"


@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "bl_key", "Basic YTpi", "Bearerbl_key", "Token bl_key"]
)
def test_a_request_without_a_key_is_refused_with_a_hint(authorization: str | None) -> None:
    with pytest.raises(Unauthenticated, match="Send Authorization: Bearer"):
        bearer_token(request(authorization))


@pytest.mark.parametrize("secret", ["x" * 257, "schlüssel"])
def test_an_invalid_key_is_refused_without_a_lookup(secret: str) -> None:
    with pytest.raises(Unauthenticated, match="not an API key"):
        bearer_token(request(f"Bearer {secret}"))


async def test_a_call_that_needs_a_scope_is_refused_without_a_key(start: Start) -> None:
    client = await start(nothing, auth=auth_middleware({"here": "links:read"}, LimitSettings(key=0, address=0)))
    response = await client.get("/here")
    assert (response.status, response.headers["WWW-Authenticate"]) == (401, 'Bearer realm="BoltLink"')
    assert json.loads(await response.read())["type"] == "/problems/unauthenticated"


@pytest.mark.parametrize("path", ["/here", "/health"])
async def test_a_route_without_a_scope_is_open(start: Start, path: str) -> None:
    client = await start(nothing, auth=auth_middleware({"here": None}, LimitSettings(key=0, address=0)))
    assert (await client.get(path)).status == 200


async def test_an_unknown_path_is_404_also_without_a_key(start: Start) -> None:
    client = await start(nothing, auth=auth_middleware({"here": "links:read"}, LimitSettings(key=0, address=0)))
    assert (await client.get("/elsewhere")).status == 404


async def test_too_many_wrong_keys_are_429(start: Start) -> None:
    client = await start(nothing, auth=auth_middleware({"here": "links:read"}, LimitSettings(key=0, address=2)))
    statuses = [(await client.get("/here")).status for _ in range(3)]
    assert statuses == [401, 401, 429]


async def test_wrong_keys_are_counted_by_the_address_that_nginx_saw(start: Start) -> None:
    client = await start(nothing, auth=auth_middleware({"here": "links:read"}, LimitSettings(key=0, address=1)))
    statuses = [(await client.get("/here", headers={"X-Real-IP": f"192.0.2.{n}"})).status for n in range(3)]
    assert statuses == [401, 401, 401]
