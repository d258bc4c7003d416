"""The consumer's numbers."""

from aiohttp import web
from aioprometheus.collectors import Counter, Gauge, Registry

from services.stats.counting.click_stream import ClickStream
from services.stats.counting.consumer import Counted

STREAM = web.AppKey("STREAM", ClickStream)


class ConsumerMetrics:
    """What was counted, and what waits."""

    def __init__(self, registry: Registry) -> None:
        self._clicks = Counter(
            "boltlink_clicks_total",
            "Clicks that arrived: fresh (counted), known (before, or of a purged link), dead_letter (not countable).",
            registry=registry,
        )
        for result in ("fresh", "known", "dead_letter"):
            self._clicks.set({"result": result}, 0)
        self._entries = Gauge(
            "boltlink_stream_entries", "Entries of the stream that are not counted yet.", registry=registry
        )
        self._pending = Gauge("boltlink_stream_pending", "Those of them that a consumer has taken.", registry=registry)
        self._age = Gauge("boltlink_stream_age_seconds", "How long the oldest of them has waited.", registry=registry)
        self._dead_letters = Gauge(
            "boltlink_dead_letters", "Events that are set aside (make dead-letters).", registry=registry
        )
        self._streams_lost = Counter(
            "boltlink_streams_lost_total", "Times that Redis came back without the stream.", registry=registry
        )

    def counted(self, counted: Counted) -> None:
        self._clicks.add({"result": "fresh"}, counted.fresh)
        self._clicks.add({"result": "known"}, counted.known)
        self._clicks.add({"result": "dead_letter"}, counted.dead_letters)

    async def read(self, app: web.Application) -> None:
        self._streams_lost.set({}, app[STREAM].lost)
        backlog = await app[STREAM].backlog()
        self._entries.set({}, backlog.entries)
        self._pending.set({}, backlog.pending)
        self._age.set({}, backlog.oldest_seconds)
        self._dead_letters.set({}, backlog.dead_letters)
