import json

from aiohttp import web

from shared.domain.errors import StoreUnavailable
from shared.process.metrics import COLLECTORS
from shared.process.version import VERSION
from tests.unit.conftest import Start


async def nothing(_request: web.Request) -> web.Response:
    return web.Response()


async def test_health_names_the_service_and_the_instance(start: Start) -> None:
    response = await (await start(nothing)).get("/health")
    assert response.headers["Cache-Control"] == "no-store"
    assert json.loads(await response.read()) == {
        "status": "ok",
        "service": "writer",
        "instance": "writer-7",
        "version": VERSION,
    }


async def test_a_service_without_stores_is_ready(start: Start) -> None:
    response = await (await start(nothing)).get("/ready")
    assert (response.status, json.loads(await response.read())["status"]) == (200, "ready")


async def test_metrics_name_the_service_the_instance_and_the_version(start: Start) -> None:
    text = await (await (await start(nothing)).get("/metrics")).text()
    assert f'boltlink_info{{instance_id="writer-7",service="writer",version="{VERSION}"}} 1' in text


async def test_a_collector_that_fails_does_not_affect_other_metrics(start: Start) -> None:
    async def fail(_app: web.Application) -> None:
        raise StoreUnavailable("unavailable")

    client = await start(nothing)
    assert client.app is not None
    client.app[COLLECTORS].append(fail)
    response = await client.get("/metrics")
    assert (response.status, "boltlink_info" in await response.text()) == (200, True)
