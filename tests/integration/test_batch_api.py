"""The responses of the writer to POST /links/batch."""

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
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from shared.redis.route_records import decode
from tests.integration.stores import Stores

URL = "https://example.com/"

Response = tuple[int, Any, Any]
Client = TestClient[web.Request, web.Application]
Start = Callable[..., Any]


@pytest.fixture
def start(aiohttp_client: AiohttpClient, environ: Callable[..., dict[str, str]]) -> Start:
    """Starts a writer with additional settings."""

    async def make(**settings: str) -> Client:
        return await aiohttp_client(create_api(WriterSettings.from_env(environ("writer", **settings))))

    return make


async def secret_of(database: Database, *scopes: Scope) -> str:
    return (await make_key(database, name="key", scopes=scopes))[1]


async def send(client: Client, secret: str, document: Any, **headers: str) -> Response:
    """Send a batch; the status, the headers and the document of the response. Header names have _ for -."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"Authorization": f"Bearer {secret}"}
    async with client.post("/links/batch", json=document, headers=sent) as response:
        return response.status, response.headers, await response.json(content_type=None)


async def send_links(client: Client, secret: str, *links: Any, **headers: str) -> Response:
    return await send(client, secret, {"links": list(links)}, **headers)


async def test_each_link_has_its_item_in_order(start: Start, writer_database: Database) -> None:
    client, secret = await start(), await secret_of(writer_database, "links:write")
    requested = [{"url": URL, "code": "b", "title": "first"}, {"url": URL}, {"url": URL, "code": "a"}]
    status, _, document = await send_links(client, secret, *requested)
    assert (status, [item["status"] for item in document["items"]]) == (200, [201] * 3)
    links = [item["link"] for item in document["items"]]
    assert (links[0]["code"], links[0]["title"], links[2]["code"]) == ("b", "first", "a")
    async with client.get(
        "/links/b", headers={"Authorization": f"Bearer {await secret_of(writer_database, 'admin')}"}
    ) as one:
        assert await one.json() == links[0]


async def test_an_invalid_link_gets_a_problem_with_all_faults_and_does_not_affect_the_others(
    start: Start, writer_database: Database
) -> None:
    client, secret = await start(), await secret_of(writer_database, "links:write")
    requested = [
        {"url": URL},
        {"url": "ftp://x", "code": "a b", "other": 1},
        7,
        {"url": URL, "code": "Links"},
        {"url": URL},
    ]
    status, headers, document = await send_links(client, secret, *requested)
    assert (status, [item["status"] for item in document["items"]]) == (200, [201, 422, 422, 422, 201])
    bad, number, reserved = (item["problem"] for item in document["items"][1:4])
    assert {fault["field"] for fault in bad["errors"]} == {"url", "code", "other"}
    assert (bad["type"], bad["request_id"]) == ("/problems/invalid-input", headers["X-Request-ID"])
    assert number["errors"] == [{"field": "", "message": "Each of links must be a JSON object."}]
    assert [fault["field"] for fault in reserved["errors"]] == ["code"]


async def test_each_taken_name_is_409_with_its_problem(start: Start, writer_database: Database) -> None:
    client, secret = await start(), await secret_of(writer_database, "links:write")
    requested = [
        {"url": URL, "code": "a", "external_id": "x"},
        {"url": URL, "code": "a"},
        {"url": URL, "external_id": "x"},
    ]
    _, _, document = await send_links(client, secret, *requested)
    assert [item["status"] for item in document["items"]] == [201, 409, 409]
    assert [item["problem"]["type"] for item in document["items"][1:]] == [
        "/problems/code-taken",
        "/problems/external-id-taken",
    ]


async def test_a_thousand_links_are_in_redis_before_the_response(
    start: Start, writer_database: Database, redis: RedisClient
) -> None:
    client, secret = await start(), await secret_of(writer_database, "links:write")
    status, _, document = await send_links(client, secret, *({"url": f"{URL}{number}"} for number in range(1_000)))
    assert status == 200
    keys = [redis_keys.route(in_default_domain(item["link"]["code"])) for item in document["items"]]
    records: Any = await redis.mget(keys)
    assert [decode(record).url for record in records] == [f"{URL}{number}" for number in range(1_000)]


async def test_more_than_a_thousand_links_are_refused_as_a_whole(start: Start, writer_database: Database) -> None:
    client, secret = await start(), await secret_of(writer_database, "links:write")
    status, _, problem = await send_links(client, secret, *[{"url": URL}] * 1_001)
    assert (status, problem["errors"]) == (422, [{"field": "links", "message": "At most 1000 links."}])
    assert await writer_database.fetch_all("SELECT 1 AS one FROM links") == []


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({}, {"links"}),
        ({"links": {}}, {"links"}),
        ({"links": [], "more": 1}, {"more"}),
        ([], {""}),
        ({"links": None}, {"links"}),
    ],
)
async def test_an_invalid_batch_is_422(
    start: Start, writer_database: Database, document: Any, fields: set[str]
) -> None:
    status, _, problem = await send(await start(), await secret_of(writer_database, "links:write"), document)
    assert (status, {fault["field"] for fault in problem["errors"]}) == (422, fields)


async def test_a_batch_needs_the_scope_to_write_links(start: Start, writer_database: Database) -> None:
    status, _, _ = await send_links(await start(), await secret_of(writer_database, "links:read"), {"url": URL})
    assert status == 403


async def test_a_repeat_gets_the_first_response_again(start: Start, writer_database: Database) -> None:
    client, secret = await start(), await secret_of(writer_database, "links:write")
    requested = [{"url": URL}, {"url": "no URL"}]
    _, _, first = await send_links(client, secret, *requested, Idempotency_Key="key-1")
    status, _, repeat = await send_links(client, secret, *requested, Idempotency_Key="key-1")
    assert (status, repeat) == (200, first)
    assert len(await writer_database.fetch_all("SELECT 1 AS one FROM links")) == 1


async def test_another_batch_under_the_same_key_is_422(start: Start, writer_database: Database) -> None:
    client, secret = await start(), await secret_of(writer_database, "links:write")
    await send_links(client, secret, {"url": URL}, Idempotency_Key="key-1")
    status, _, problem = await send_links(client, secret, {"url": URL}, {"url": URL}, Idempotency_Key="key-1")
    assert (status, problem["type"]) == (422, "/problems/idempotency-key-reused")


async def test_every_fifty_links_count_as_a_request(start: Start, writer_database: Database) -> None:
    client, secret = await start(KEY_RATE_LIMIT="20"), await secret_of(writer_database, "links:write")
    _, headers, _ = await send_links(client, secret, *[{"url": URL}] * 200)
    assert headers["RateLimit-Remaining"] == "15"
    status, headers, problem = await send_links(client, secret, *[{"url": URL}] * 1_000)
    assert (status, problem["type"]) == (429, "/problems/too-many-requests")
    assert int(headers["Retry-After"]) > 1


async def test_a_batch_may_be_larger_than_another_body(start: Start, writer_database: Database) -> None:
    secret = await secret_of(writer_database, "links:write")
    client = await start(BODY_LIMIT="1024", BATCH_BODY_LIMIT="4096")
    assert (await send_links(client, secret, {"url": URL + "a" * 2_000}))[0] == 200
    status, _, problem = await send_links(client, secret, {"url": URL + "a" * 4_096})
    assert (status, problem["detail"]) == (413, "The body may have at most 4,096 bytes.")


async def test_a_batch_while_postgres_is_unavailable_is_503_and_creates_nothing(
    start: Start, writer_database: Database, stores: Stores, database_name: str
) -> None:
    client, secret = await start(), await secret_of(writer_database, "links:write")
    assert (await send_links(client, secret, {"url": URL, "code": "before"}))[0] == 200
    stores.execute(f'ALTER DATABASE "{database_name}" ALLOW_CONNECTIONS false')
    stores.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{database_name}'")
    status, headers, _ = await send_links(client, secret, {"url": URL}, {"url": URL})
    stores.execute(f'ALTER DATABASE "{database_name}" ALLOW_CONNECTIONS true')
    assert (status, "Retry-After" in headers) == (503, True)
    assert len(await writer_database.fetch_all("SELECT 1 AS one FROM links")) == 1
