"""What every process has: probes, metrics, API keys, and a shutdown that loses nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from pytest_aiohttp import AiohttpClient

from services.resolver.app import create_api as create_resolver
from services.resolver.settings import ResolverSettings
from services.stats.app import create_api as create_stats
from services.stats.app import create_consumer
from services.stats.settings import ConsumerSettings, StatsSettings
from services.writer.api_keys.creation import make_key, revoke
from services.writer.app import create_api as create_writer
from services.writer.app import create_relay
from services.writer.settings import RelaySettings, WriterSettings
from shared.domain.codes import in_default_domain
from shared.domain.models import Scope
from shared.postgres.pool import Database
from shared.postgres.tables import links, outbox
from shared.process.metrics import REGISTRY
from shared.process.version import VERSION
from shared.redis import click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from tests.integration.conftest import Stores
from tests.integration.locks import waits_for_a_lock
from tests.support.builders import click_event, encoded, make_link, make_owner
from tests.support.environments import environment
from tests.support.network import at_port, refusing_port, silent_port
from tests.support.waiting import until

Environ = Callable[..., dict[str, str]]
Client = TestClient[web.Request, web.Application]

CREATE: dict[str, Callable[[dict[str, str]], web.Application]] = {
    "writer": lambda env: create_writer(WriterSettings.from_env(env)),
    "relay": lambda env: create_relay(RelaySettings.from_env(env)),
    "resolver": lambda env: create_resolver(ResolverSettings.from_env(env)),
    "stats": lambda env: create_stats(StatsSettings.from_env(env)),
    "consumer": lambda env: create_consumer(ConsumerSettings.from_env(env)),
}
ROLES = {"writer": "writer", "relay": "writer", "resolver": "resolver", "stats": "stats", "consumer": "stats"}
STORES = {
    "writer": {"postgres", "redis"},
    "relay": {"postgres", "redis"},
    "resolver": {"postgres", "redis"},
    "stats": {"postgres"},
    "consumer": {"postgres", "redis"},
}
every_service = pytest.mark.parametrize("service", CREATE)

Start = Callable[..., Awaitable[Client]]


@pytest.fixture
def start(aiohttp_client: AiohttpClient, environ: Environ) -> Start:
    """Start a service on the test's stores."""

    async def make(service: str, **more: str) -> Client:
        return await aiohttp_client(CREATE[service](environ(ROLES[service], **more)))

    return make


@pytest.fixture
def start_with_unavailable(stores: Stores, database_name: str, aiohttp_client: AiohttpClient, tmp_path: Any) -> Start:
    """Start a service with some of its stores at a port where they are unavailable."""

    async def make(service: str, unavailable: str, port: int) -> Client:
        database = stores.database_settings(database_name, f"boltlink_{ROLES[service]}")
        redis = stores.redis_settings(timeout=0.2)
        env = environment(
            at_port(database, port) if "postgres" in unavailable else database,
            at_port(redis, port) if "redis" in unavailable else redis,
            spool_folder=tmp_path / "spool",
        )
        return await aiohttp_client(CREATE[service](env))

    return make


async def get(client: Client, path: str, key: str = "") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with client.get(path, headers=headers) as response:
        return response.status, await response.json(content_type=None)


# Probes


@every_service
async def test_health_names_the_process(start: Start, service: str) -> None:
    client = await start(service)
    assert await get(client, "/health") == (
        200,
        {"status": "ok", "service": service, "instance": "tested-1", "version": VERSION},
    )


@every_service
async def test_a_service_with_its_stores_is_ready(start: Start, service: str) -> None:
    client = await start(service)
    status, document = await get(client, "/ready")
    assert (status, document["status"]) == (200, "ready")
    assert document["stores"] == dict.fromkeys(STORES[service], "ok")


@pytest.mark.parametrize(
    ("service", "unavailable"),
    [
        (service, unavailable)
        for service, stores in STORES.items()
        if service != "resolver"
        for unavailable in sorted(stores)
    ],
)
async def test_a_service_without_a_store_is_not_ready_and_names_the_store(
    start_with_unavailable: Start, service: str, unavailable: str
) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable(service, unavailable, port)
        async with client.get("/ready") as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "2")
            document = await response.json()
    assert document["stores"] == {store: "unavailable" if store == unavailable else "ok" for store in STORES[service]}


@pytest.mark.parametrize("unavailable", ["postgres", "redis"])
async def test_a_resolver_with_one_store_is_ready(start_with_unavailable: Start, unavailable: str) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable("resolver", unavailable, port)
        status, document = await get(client, "/ready")
    assert (status, document["stores"][unavailable]) == (200, "unavailable")


async def test_a_resolver_without_any_store_is_not_ready(start_with_unavailable: Start) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable("resolver", "postgres, redis", port)
        assert (await get(client, "/ready"))[0] == 503


async def test_a_service_whose_store_does_not_reply_is_not_ready(start_with_unavailable: Start) -> None:
    with silent_port() as port:
        client = await start_with_unavailable("writer", "redis", port)
        async with asyncio.timeout(10):
            assert (await get(client, "/ready"))[0] == 503


@every_service
async def test_a_service_without_its_stores_starts_and_is_healthy(start_with_unavailable: Start, service: str) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable(service, "postgres, redis", port)
        assert (await get(client, "/health"))[0] == 200


# Metrics


async def metrics_of(client: Client) -> str:
    async with client.get("/metrics") as response:
        assert response.status == 200
        return await response.text()


@every_service
async def test_metrics_include_every_metric_of_the_service(start: Start, service: str) -> None:
    client = await start(service)
    await get(client, "/health")
    text = await metrics_of(client)
    names = [collector.name for collector in client.app[REGISTRY].get_all()]
    assert len(names) >= 5
    for name in names:
        assert f"# HELP {name} " in text
        assert any(line.startswith((f"{name} ", f"{name}{{", f"{name}_bucket{{")) for line in text.splitlines()), name


@every_service
async def test_metrics_are_served_while_the_stores_are_unavailable(start_with_unavailable: Start, service: str) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable(service, "postgres, redis", port)
        assert "boltlink_info{" in await metrics_of(client)


async def test_metrics_count_requests_by_route_and_status(start: Start) -> None:
    client = await start("resolver")
    for _ in range(2):
        await get(client, "/unknown")
    text = await metrics_of(client)
    assert 'boltlink_requests_total{route="follow",status="404"} 2' in text
    assert 'boltlink_request_seconds_count{route="follow"} 2' in text


async def test_the_relay_reports_its_backlog(start: Start, database: Database) -> None:
    async with database.transaction() as conn:
        await conn.execute("LOCK TABLE outbox IN SHARE MODE")  # no message is added, none is deleted
        client = await start("relay")
        await conn.execute("INSERT INTO outbox (domain, code, version) VALUES ('default', 'abc', 1)")
    await until(lambda: _relayed(client, 1))
    assert "boltlink_outbox_messages 0" in await metrics_of(client)


async def _relayed(client: Client, count: int) -> bool:
    return f"boltlink_relayed_total {count}\n" in await metrics_of(client)


async def test_the_consumer_reports_clicks_by_result(
    start: Start, redis: RedisClient, writer_database: Database
) -> None:
    link = await make_link(writer_database, owner_id=await make_owner(writer_database))
    client = await start("consumer")
    for number in (1, 1, 2):
        await redis.xadd(redis_keys.CLICK_STREAM, {click_stream.FIELD: encoded(click_event(link.id, number))})
    await redis.xadd(redis_keys.CLICK_STREAM, {click_stream.FIELD: b"junk"})

    async def reported() -> bool:
        text = await metrics_of(client)
        counts = {"fresh": 2, "known": 1, "dead_letter": 1}
        return all(f'boltlink_clicks_total{{result="{name}"}} {count}\n' in text for name, count in counts.items())

    await until(reported)
    assert "boltlink_stream_entries 0" in await metrics_of(client)


# Keys


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


# Shutdown


@every_service
async def test_an_idle_service_stops(start: Start, service: str) -> None:
    client = await start(service)
    async with asyncio.timeout(10):
        await client.close()


@every_service
async def test_a_service_without_its_stores_stops(start_with_unavailable: Start, service: str) -> None:
    with refusing_port() as port:
        client = await start_with_unavailable(service, "postgres, redis", port)
        async with asyncio.timeout(10):
            await client.close()


async def test_a_relay_that_stops_finishes_its_current_batch(
    start: Start, writer_database: Database, database: Database, redis: RedisClient
) -> None:
    client = await start("relay")
    async with database.transaction() as conn:
        await conn.execute("LOCK TABLE outbox IN SHARE MODE")  # reads are not blocked
        await until(lambda: waits_for_a_lock(database))
        await conn.execute("INSERT INTO outbox (domain, code, version) VALUES ('default', 'gone', 3)")
        stopping = asyncio.create_task(client.close())
    await stopping
    assert await redis.get(redis_keys.route(in_default_domain("gone"))) == b"3 0 -"
    assert await outbox.backlog(writer_database) == (0, 0.0)


async def test_a_consumer_that_stops_finishes_its_current_batch(
    start: Start, writer_database: Database, database: Database, redis: RedisClient
) -> None:
    link = await make_link(writer_database, owner_id=await make_owner(writer_database), code="abc")
    client = await start("consumer")
    async with database.transaction() as conn:
        await conn.execute("LOCK TABLE link_totals IN SHARE MODE")
        await redis.xadd(redis_keys.CLICK_STREAM, {click_stream.FIELD: encoded(click_event(link.id))})
        await until(lambda: waits_for_a_lock(database))
        stopping = asyncio.create_task(client.close())
    await stopping
    counted = await links.get(writer_database, in_default_domain("abc"))
    assert counted is not None
    assert counted.clicks == 1
    assert await redis.xlen(redis_keys.CLICK_STREAM) == 0


async def test_a_writer_that_stops_responds_to_its_current_request(
    start: Start, writer_database: Database, database: Database
) -> None:
    _, secret = await make_key(writer_database, name="key", scopes=["admin"])
    client = await start("writer")
    async with database.transaction() as conn:
        await conn.execute("LOCK TABLE links")
        request = asyncio.create_task(get(client, "/links", secret))
        await until(lambda: waits_for_a_lock(database))
        stopping = asyncio.create_task(client.server.close())
    assert (await request)[0] == 200
    await stopping


# Loops


async def test_the_relay_publishes_a_link_that_is_created_while_it_runs(
    start: Start, writer_database: Database, redis: RedisClient
) -> None:
    await start("relay")
    await make_link(writer_database, owner_id=await make_owner(writer_database), code="abc")

    async def published() -> bool:
        return bool(await redis.exists(redis_keys.route(in_default_domain("abc"))))

    await until(published)


async def test_the_relay_deletes_old_idempotent_answers(
    start: Start, writer_database: Database, database: Database
) -> None:
    await database.execute(
        """
        INSERT INTO idempotent_answers (owner_id, key, request_hash, created_at)
        VALUES (%s, 'old', '', now() - interval '25 hours')
        """,
        [await make_owner(writer_database)],
    )
    await start("relay")

    async def deleted() -> bool:
        return await database.fetch_one("SELECT 1 AS one FROM idempotent_answers") is None

    await until(deleted)


async def test_the_consumer_creates_the_partitions_of_the_coming_months(start: Start, database: Database) -> None:
    await start("consumer")

    async def made() -> bool:
        row = await database.fetch_one(
            """
            SELECT count(*) AS n FROM pg_inherits
            WHERE inhparent = 'clicks'::regclass AND inhrelid <> 'clicks_other'::regclass
            """
        )
        return row is not None and row["n"] == 3

    await until(made)
