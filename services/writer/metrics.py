"""The metrics of the relay."""

from aiohttp import web
from aioprometheus.collectors import Counter, Gauge, Registry

from shared.http.stores import DATABASE
from shared.postgres.tables import outbox
from shared.process.metrics import COLLECTORS


class RelayMetrics:
    """The changes that were published, and the backlog of the outbox."""

    def __init__(self, registry: Registry) -> None:
        self._relayed = Counter(
            "boltlink_relayed_total", "Changes of links that the relay published to Redis.", registry=registry
        )
        self._relayed.set({}, 0)
        self._waiting = Gauge(
            "boltlink_outbox_messages", "Messages in the outbox, which wait to be published.", registry=registry
        )
        self._age = Gauge("boltlink_outbox_age_seconds", "Age of the oldest message in the outbox.", registry=registry)

    def relayed(self, count: int) -> None:
        self._relayed.add({}, count)

    async def collect(self, app: web.Application) -> None:
        waiting, age = await outbox.backlog(app[DATABASE])
        self._waiting.set({}, waiting)
        self._age.set({}, age)


def add_relay_metrics(app: web.Application, registry: Registry) -> RelayMetrics:
    """Create the metrics of the relay, and collect them when /metrics is requested."""
    metrics = RelayMetrics(registry)
    app[COLLECTORS].append(metrics.collect)
    return metrics
