"""A resolver's metrics: plain numbers on the redirect path, exported to aioprometheus when /metrics is read."""

from aiohttp import web
from aioprometheus.collectors import Counter, Gauge, Registry

from services.resolver.clicks.recorder import ClickRecorder
from services.resolver.clicks.replay_buffer import ReplayBuffer
from services.resolver.clicks.spool import Spool
from services.resolver.lookup.lookup import Source


class ResolverMetrics:
    """Where routes were found, and what happened to clicks."""

    def __init__(self, registry: Registry) -> None:
        self.lookups: dict[Source, int] = {"hit": 0, "miss": 0, "fallback": 0}
        self._lookups = Counter(
            "boltlink_lookups_total", "Lookups of a code, by source: Redis (hit), or Postgres.", registry=registry
        )
        self._lost = Counter(
            "boltlink_clicks_lost_total", "Clicks that neither Redis nor the spool took.", registry=registry
        )
        self._replayed = Counter(
            "boltlink_clicks_replayed_total",
            "Clicks added to the stream again, since Redis had lost them or may have.",
            registry=registry,
        )
        self._spool = Gauge(
            "boltlink_spool_bytes", "Clicks in the spool, which wait for Redis, in bytes.", registry=registry
        )

    def export(self, recorder: ClickRecorder, replay_buffer: ReplayBuffer, spool: Spool) -> None:
        for source, count in self.lookups.items():
            self._lookups.set({"source": source}, count)
        self._lost.set({}, recorder.lost + replay_buffer.lost)
        self._replayed.set({}, replay_buffer.replayed)
        self._spool.set({}, spool.size)


RESOLVER_METRICS = web.AppKey("RESOLVER_METRICS", ResolverMetrics)
