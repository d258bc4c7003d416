import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from services.writer.api_keys.creation import make_key
from services.writer.app import create_api
from services.writer.settings import WriterSettings
from shared.domain.codes import in_default_domain
from shared.domain.models import Scope
from shared.postgres.pool import Database
from shared.postgres.tables import outbox
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import decode
from tests.integration.stores import Stores
from tests.support.environments import PUBLIC_URL, environment
from tests.support.network import at_port, refusing_port

URL = "https://example.com/"


class Writer:
    """A client of the writer's API with an API key."""

    def __init__(self, client: TestClient[web.Request, web.Application], secret: str) -> None:
        self._client = client
        self._secret = secret

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Send a request; the status and the document of the response. Header names have _ for -."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Authorization"] = f"Bearer {self._secret}"
        async with self._client.request(method, path, json=body, headers=sent) as response:
            return response.status, await response.json(content_type=None) if response.status != 204 else None

    async def make(self, **body: Any) -> dict[str, Any]:
        status, document = await self.send("POST", "/links", {"url": URL, **body})
        assert status == 201
        assert isinstance(document, dict)
        return document


@pytest.fixture
async def client(
    aiohttp_client: AiohttpClient, environ: Callable[..., dict[str, str]]
) -> TestClient[web.Request, web.Application]:
    return await aiohttp_client(create_api(WriterSettings.from_env(environ("writer"))))


async def client_with_key(
    client: TestClient[web.Request, web.Application], database: Database, *scopes: Scope
) -> Writer:
    _, secret = await make_key(database, name="key", scopes=scopes)
    return Writer(client, secret)


@pytest.fixture
async def writer(client: TestClient[web.Request, web.Application], writer_database: Database) -> Writer:
    return await client_with_key(client, writer_database, "admin")


async def record_of(redis: RedisClient, code: str) -> bytes:
    record: Any = await redis.get(redis_keys.route(in_default_domain(code)))
    assert record is not None
    return bytes(record)


async def test_the_response_of_a_new_link_has_its_location(
    client: TestClient[web.Request, web.Application], writer_database: Database
) -> None:
    _, secret = await make_key(writer_database, name="key", scopes=["links:write"])
    headers = {"Authorization": f"Bearer {secret}"}
    async with client.post("/links", json={"url": URL, "code": "abc"}, headers=headers) as response:
        document = await response.json()
        assert (response.status, response.headers["Location"], response.headers["ETag"]) == (201, "/links/abc", '"v1"')
    assert document["short_url"] == f"{PUBLIC_URL}/abc"


async def test_a_new_link_is_in_redis_before_the_response(writer: Writer, redis: RedisClient) -> None:
    await writer.make(code="abc")
    assert decode(await record_of(redis, "abc")).url == URL


async def test_a_change_is_in_redis_before_the_response(writer: Writer, redis: RedisClient) -> None:
    await writer.make(code="abc")
    await writer.send("PATCH", "/links/abc", {"url": "https://example.com/new"})
    assert decode(await record_of(redis, "abc")).url == "https://example.com/new"


@pytest.mark.parametrize("query", ["", "?purge=true"])
async def test_a_deletion_is_in_redis_before_the_response(writer: Writer, redis: RedisClient, query: str) -> None:
    await writer.make(code="abc")
    assert await writer.send("DELETE", f"/links/abc{query}") == (204, None)
    assert not decode(await record_of(redis, "abc")).live


async def test_a_restored_link_is_in_redis_before_the_response(writer: Writer, redis: RedisClient) -> None:
    await writer.make(code="abc")
    await writer.send("DELETE", "/links/abc")
    status, document = await writer.send("POST", "/links/abc/restore")
    assert (status, document["status"]) == (200, "active")
    assert decode(await record_of(redis, "abc")).live


async def test_while_redis_is_unavailable_links_are_created_and_their_messages_wait_in_the_outbox(
    stores: Stores, database_name: str, aiohttp_client: AiohttpClient, writer_database: Database
) -> None:
    with refusing_port() as port:
        env = environment(
            stores.database_settings(database_name, "boltlink_writer"), at_port(stores.redis_settings(), port)
        )
        client = await aiohttp_client(create_api(WriterSettings.from_env(env)))
        await (await client_with_key(client, writer_database, "admin")).make(code="abc")
    assert (await outbox.backlog(writer_database))[0] == 1


async def test_two_requests_with_one_idempotency_key_create_one_link(writer: Writer, writer_database: Database) -> None:
    responses = await asyncio.gather(
        *(writer.send("POST", "/links", {"url": URL}, Idempotency_Key="key-1") for _ in range(5))
    )
    assert all(response == responses[0] for response in responses)
    assert len(await writer_database.fetch_all("SELECT 1 AS one FROM links")) == 1


async def test_an_idempotency_key_with_another_body_is_422(writer: Writer) -> None:
    await writer.send("POST", "/links", {"url": URL}, Idempotency_Key="key-1")
    status, problem = await writer.send("POST", "/links", {"url": URL, "title": "other"}, Idempotency_Key="key-1")
    assert (status, problem["type"]) == (422, "/problems/idempotency-key-reused")


async def test_reuse_finds_only_links_of_the_same_api_key(
    writer: Writer, client: TestClient[web.Request, web.Application], writer_database: Database
) -> None:
    made = await writer.make()
    other = await client_with_key(client, writer_database, "links:write")
    assert await writer.send("POST", "/links?reuse=true", {"url": URL}) == (200, made)
    assert (await other.send("POST", "/links?reuse=true", {"url": URL}))[0] == 201


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ('"v1"', 200),
        ("*", 200),
        ('"other", "v1"', 200),
        ('"v2"', 412),
        ('W/"v1"', 412),
        ("v1", 412),
        ("nonsense", 412),
    ],
)
async def test_if_match_decides_about_a_change(writer: Writer, header: str, status: int) -> None:
    await writer.make(code="abc")
    assert (await writer.send("PATCH", "/links/abc", {"title": "new"}, If_Match=header))[0] == status


async def test_a_taken_code_is_409(writer: Writer) -> None:
    await writer.make(code="abc")
    status, problem = await writer.send("POST", "/links", {"url": URL, "code": "abc"})
    assert (status, problem["type"]) == (409, "/problems/code-taken")


async def test_a_purge_needs_the_scope_admin(
    client: TestClient[web.Request, web.Application], writer: Writer, writer_database: Database
) -> None:
    await writer.make(code="abc")
    other = await client_with_key(client, writer_database, "links:write", "links:read")
    assert (await other.send("DELETE", "/links/abc?purge=true"))[0] == 403
    assert (await other.send("GET", "/links/abc"))[0] == 200


async def test_a_purged_link_is_404_and_its_code_is_free(writer: Writer) -> None:
    await writer.make(code="abc")
    await writer.send("DELETE", "/links/abc?purge=true")
    assert (await writer.send("GET", "/links/abc"))[0] == 404
    assert (await writer.make(code="abc"))["version"] == 3


async def test_cursors_lead_through_all_pages(writer: Writer) -> None:
    for code in ("a", "b", "c"):
        await writer.make(code=code)
    _, first = await writer.send("GET", "/links?sort=code&limit=2")
    _, last = await writer.send("GET", f"/links?sort=code&limit=2&cursor={first['next_cursor']}")
    assert [link["code"] for link in first["links"] + last["links"]] == ["a", "b", "c"]
    assert last["next_cursor"] is None


@pytest.mark.parametrize("code", ["%00", "%FF", "%C3%28", "%F0%9F%98%80", "a%2Fb", "%0A", "a" * 65])
async def test_an_invalid_code_is_404(writer: Writer, code: str) -> None:
    assert (await writer.send("GET", f"/links/{code}"))[0] == 404


async def test_a_new_key_works_and_is_shown_once(
    writer: Writer, client: TestClient[web.Request, web.Application]
) -> None:
    status, made = await writer.send("POST", "/keys", {"name": "ci", "scopes": ["links:read"]})
    assert status == 201
    assert (await Writer(client, made["key"]).send("GET", "/links"))[0] == 200
    _, listed = await writer.send("GET", "/keys")
    assert [key["name"] for key in listed["keys"]] == ["key", "ci"]
    assert not any("key" in key for key in listed["keys"])


async def test_a_revoked_key_is_not_listed(writer: Writer) -> None:
    _, made = await writer.send("POST", "/keys", {"name": "ci", "scopes": ["links:read"]})
    assert (await writer.send("DELETE", f"/keys/{made['id']}"))[0] == 204
    assert (await writer.send("DELETE", f"/keys/{made['id']}"))[0] == 404
    _, listed = await writer.send("GET", "/keys")
    assert [key["name"] for key in listed["keys"]] == ["key"]


async def test_a_writer_without_postgres_responds_503(writer: Writer, stores: Stores, database_name: str) -> None:
    await writer.make()
    stores.execute(f'ALTER DATABASE "{database_name}" ALLOW_CONNECTIONS false')
    stores.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database_name}'")
    statuses = [(await writer.send("POST", "/links", {"url": URL}))[0] for _ in range(3)]
    stores.execute(f'ALTER DATABASE "{database_name}" ALLOW_CONNECTIONS true')
    assert statuses == [503] * 3
    assert (await writer.send("POST", "/links", {"url": URL}))[0] == 201
