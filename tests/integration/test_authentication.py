"""A key allows what its scopes allow, until it is revoked."""

import pytest

from services.writer.api_keys.creation import make_key, revoke
from shared.domain.models import Scope
from shared.postgres.pool import Database
from tests.integration.services import Start, get
from tests.support.network import refusing_port
from tests.support.waiting import until


@pytest.mark.parametrize(("service", "path"), [("writer", "/links"), ("writer", "/keys"), ("stats", "/stats/overview")])
async def test_a_request_without_a_key_gets_401_with_the_scheme(start: Start, service: str, path: str) -> None:
    client = await start(service)
    async with client.get(path) as response:
        assert (response.status, response.content_type) == (401, "application/problem+json")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="BoltLink"'


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic Zm9vOmJhcg==", "Bearer nonsense", "Bearer ü"])
async def test_an_invalid_key_gets_401(start: Start, header: str) -> None:
    client = await start("writer")
    async with client.get("/links", headers={"Authorization": header}) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    ("service", "path", "scopes", "status"),
    [
        ("writer", "/links", ("links:read",), 200),
        ("writer", "/links", ("admin",), 200),
        ("writer", "/links", ("links:write", "stats:read"), 403),
        ("writer", "/keys", ("links:read", "links:write", "stats:read"), 403),
        ("writer", "/keys", ("admin",), 200),
        ("stats", "/stats/overview", ("stats:read",), 200),
        ("stats", "/stats/overview", ("admin",), 200),
        ("stats", "/stats/overview", ("links:read", "links:write"), 403),
    ],
)
async def test_a_key_allows_what_its_scopes_allow(
    *, start: Start, writer_database: Database, service: str, path: str, scopes: tuple[Scope, ...], status: int
) -> None:
    _, secret = await make_key(writer_database, name="key", scopes=scopes)
    client = await start(service)
    assert (await get(client, path, secret))[0] == status


@pytest.mark.parametrize(("service", "path"), [("writer", "/links"), ("stats", "/stats/overview")])
async def test_a_revoked_key_soon_stops_working(
    start: Start, writer_database: Database, service: str, path: str
) -> None:
    key, secret = await make_key(writer_database, name="key", scopes=["admin"])
    client = await start(service)
    assert (await get(client, path, secret))[0] == 200
    await revoke(writer_database, key.id)

    async def refused() -> bool:
        return (await get(client, path, secret))[0] == 401

    await until(refused, seconds=5)


@pytest.mark.parametrize(("service", "path"), [("writer", "/links"), ("stats", "/stats/overview")])
async def test_the_last_use_of_a_key_is_stored(
    start: Start, writer_database: Database, service: str, path: str
) -> None:
    _, secret = await make_key(writer_database, name="key", scopes=["admin"])
    client = await start(service)
    await get(client, path, secret)

    async def stored() -> bool:
        row = await writer_database.fetch_one("SELECT last_used_at FROM api_keys")
        return row is not None and row["last_used_at"] is not None

    await until(stored)


@pytest.mark.parametrize(("service", "path"), [("writer", "/links"), ("stats", "/stats/overview")])
async def test_a_key_gets_503_and_not_401_while_postgres_is_unavailable(
    start_with_unavailable: Start, service: str, path: str
) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable(service, "postgres", port)
        for _ in range(3):
            async with client.get(path, headers={"Authorization": "Bearer bl_some-key"}) as response:
                assert (response.status, response.headers["Retry-After"]) == (503, "2")
