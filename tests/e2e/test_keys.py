"""API keys: who needs one, and what its scopes allow."""

import pytest

from tests.support.client import Client, connected
from tests.support.waiting import until


async def _key(client: Client, *scopes: str, **fields: object) -> str:
    response = await client.call("POST", "/keys", json={"name": "a test", "scopes": list(scopes), **fields})
    assert response.status == 201, response.body
    key: str = response.document["key"]
    return key


@pytest.mark.parametrize("path", ["/links", "/keys", "/stats/overview", "/links/abc"])
async def test_a_call_without_a_key_answers_401(client: Client, path: str) -> None:
    response = await client.request("GET", path)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "authorization", ["Bearer", "Bearer wrong", "Basic eDp5", "wrong", "Bearer \u00e9", f"Bearer {'x' * 999}"]
)
async def test_a_wrong_key_answers_401(client: Client, authorization: str) -> None:
    assert (await client.request("GET", "/links", headers={"Authorization": authorization})).status == 401


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/docs", "/openapi.json", "/robots.txt"])
async def test_public_paths_need_no_key(client: Client, path: str) -> None:
    assert (await client.request("GET", path)).status == 200


async def test_a_key_allows_what_its_scopes_name_and_nothing_else(client: Client) -> None:
    key = await _key(client, "links:read")
    async with connected(client.base_url, key) as reader:
        assert (await reader.call("GET", "/links?limit=1")).status == 200
        assert (await reader.call("POST", "/links", json={"url": "https://example.com/"})).status == 403
        assert (await reader.call("GET", "/stats/overview")).status == 403
        assert (await reader.call("GET", "/keys")).status == 403


async def test_only_an_admin_may_purge(client: Client) -> None:
    link = await client.make_link()
    async with connected(client.base_url, await _key(client, "links:write")) as editor:
        assert (await editor.call("DELETE", f"/links/{link['code']}?purge=true")).status == 403
        assert (await editor.call("DELETE", f"/links/{link['code']}")).status == 204


async def test_a_key_is_shown_only_when_it_is_created(client: Client) -> None:
    key = await _key(client, "stats:read")
    listing = await client.call("GET", "/keys")
    assert key not in listing.body.decode()
    assert {"id", "name", "scopes", "created_at", "expires_at", "last_used_at"} == set(listing.document["keys"][-1])


async def test_a_revoked_key_answers_401(client: Client) -> None:
    response = await client.call("POST", "/keys", json={"name": "short", "scopes": ["links:read"]})
    async with connected(client.base_url, response.document["key"]) as reader:
        assert (await reader.call("GET", "/links?limit=1")).status == 200
        assert (await client.call("DELETE", f"/keys/{response.document['id']}")).status == 204

        async def refused() -> bool:
            return (await reader.call("GET", "/links?limit=1")).status == 401

        await until(refused)
    assert (await client.call("DELETE", f"/keys/{response.document['id']}")).status == 404


@pytest.mark.parametrize("key_id", ["0", "x", "-1", "9" * 30, "1e3"])
async def test_revoking_a_key_that_does_not_exist_answers_404(client: Client, key_id: str) -> None:
    assert (await client.call("DELETE", f"/keys/{key_id}")).status == 404


async def test_a_key_with_invalid_fields_answers_422(client: Client) -> None:
    response = await client.call(
        "POST", "/keys", json={"name": "", "scopes": ["all"], "expires_at": "2020-01-01T00:00:00Z"}
    )
    assert response.status == 422
    assert {field.partition(".")[0] for field in response.faults} == {"name", "scopes", "expires_at"}
