"""Create an application with what every service has: error middleware, probes and metrics."""

from aiohttp import web
from aiohttp.typedefs import Middleware
from aioprometheus.collectors import Gauge, Registry

from shared.http.middleware import INSTANCE_ID, Page, error_middleware
from shared.http.probes import PROBES, SERVICE
from shared.http.stores import DATABASE
from shared.process.metrics import COLLECTORS, create_registry
from shared.process.settings import InstanceSettings
from shared.process.version import VERSION


def create_application(
    service: str,
    instance: InstanceSettings,
    *,
    auth: Middleware | None = None,
    page: Page | None = None,
    body_limit: int = 1_024,
) -> tuple[web.Application, Registry]:
    """An application with /health, /ready and /metrics, and the registry for the metrics of its service.

    `auth` checks API keys, `page` makes the pages for people, `body_limit` is in bytes.
    """
    middlewares = [error_middleware(page), *([auth] if auth else [])]
    app = web.Application(middlewares=middlewares, client_max_size=body_limit)
    app[SERVICE] = service
    app[INSTANCE_ID] = instance.instance_id
    registry = create_registry(app, service, instance.instance_id, VERSION)
    pool = Gauge("boltlink_pool_connections", "Connections to Postgres, by state.", registry=registry)

    async def collect_pool_use(app: web.Application) -> None:
        if DATABASE in app:
            use = app[DATABASE].pool_use()
            for state, count in (("used", use.used), ("idle", use.idle), ("limit", use.limit)):
                pool.set({"state": state}, count)

    app[COLLECTORS].append(collect_pool_use)
    app.add_routes(PROBES)
    return app, registry
