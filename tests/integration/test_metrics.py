"""Every service serves its metrics, also while its stores are unavailable."""

from shared.postgres.pool import Database
from shared.process.metrics import REGISTRY
from shared.redis import click_stream
from shared.redis import keys as redis_keys
from shared.redis.client import RedisClient
from tests.integration.services import Client, Start, every_service, get, metrics_of
from tests.support.builders import click_event, encoded, make_link, make_owner
from tests.support.network import refusing_port
from tests.support.waiting import until


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
        counts = {"counted": 2, "skipped": 1, "dead_letter": 1}
        return all(f'boltlink_clicks_total{{result="{name}"}} {count}\n' in text for name, count in counts.items())

    await until(reported)
    assert "boltlink_stream_entries 0" in await metrics_of(client)
