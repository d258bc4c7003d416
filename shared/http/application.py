"""What every application begins as: the edge around it, its name, its probes, its metrics."""

from aiohttp import web
from aiohttp.typedefs import Middleware
from aioprometheus.collectors import Gauge, Registry

from shared.http.middleware import INSTANCE_ID, Page, error_middleware
from shared.http.probes import PROBES, SERVICE
from shared.http.stores import DATABASE
from shared.process.metrics import COLLECTORS, set_up_metrics
from shared.process.settings import InstanceSettings
from shared.process.version import VERSION


def create_application(
    service: str,
    instance: InstanceSettings,
    *,
    gate: Middleware | None = None,
    page: Page | None = None,
    body_limit: int = 1_024,
) -> tuple[web.Application, Registry]:
    """An application with /health, /ready and /metrics, and the registry for what its service counts."""
    middlewares = [error_middleware(page), *([gate] if gate else [])]
    app = web.Application(middlewares=middlewares, client_max_size=body_limit)
    app[SERVICE] = service
    app[INSTANCE_ID] = instance.instance_id
    registry = set_up_metrics(app, service, instance.instance_id, VERSION)
    pool = Gauge("boltlink_pool_connections", "Connections to Postgres, by state.", registry=registry)

    async def read_pool(app: web.Application) -> None:
        if DATABASE in app:
            use = app[DATABASE].pool_use()
            for state, count in (("used", use.used), ("idle", use.idle), ("limit", use.limit)):
                pool.set({"state": state}, count)

    app[COLLECTORS].append(read_pool)
    app.add_routes(PROBES)
    return app, registry
