"""The relay's numbers."""

from aiohttp import web
from aioprometheus.collectors import Counter, Gauge, Registry

from shared.http.stores import DATABASE
from shared.postgres.tables import outbox
from shared.process.metrics import COLLECTORS


class RelayMetrics:
    """What the relay has done, and what waits for it."""

    def __init__(self, registry: Registry) -> None:
        self._relayed = Counter("boltlink_relayed_total", "Changes of links taken to Redis.", registry=registry)
        self._relayed.set({}, 0)
        self._waiting = Gauge("boltlink_outbox_messages", "Changes that wait for Redis.", registry=registry)
        self._age = Gauge("boltlink_outbox_age_seconds", "How long the oldest of them has waited.", registry=registry)

    def relayed(self, count: int) -> None:
        self._relayed.add({}, count)

    async def read(self, app: web.Application) -> None:
        waiting, age = await outbox.backlog(app[DATABASE])
        self._waiting.set({}, waiting)
        self._age.set({}, age)


def set_up_relay_metrics(app: web.Application, registry: Registry) -> RelayMetrics:
    """Make the relay's numbers and have them read with /metrics."""
    metrics = RelayMetrics(registry)
    app[COLLECTORS].append(metrics.read)
    return metrics
