"""The metrics of the consumer."""

from aiohttp import web
from aioprometheus.collectors import Counter, Gauge, Registry

from services.stats.counting.consumer import BatchResult
from services.stats.counting.stream_reader import StreamReader

STREAM = web.AppKey("STREAM", StreamReader)


class ConsumerMetrics:
    """How many clicks were counted, and how many wait in the stream."""

    def __init__(self, registry: Registry) -> None:
        self._clicks = Counter(
            "boltlink_clicks_total",
            "Clicks by result: counted (now), skipped (counted before, or of a purged link), dead_letter (could not be"
            " counted).",
            registry=registry,
        )
        for result in ("counted", "skipped", "dead_letter"):
            self._clicks.set({"result": result}, 0)
        self._entries = Gauge(
            "boltlink_stream_entries", "Entries of the stream that are not counted yet.", registry=registry
        )
        self._pending = Gauge(
            "boltlink_stream_pending",
            "Entries of the stream that a consumer has read and not acknowledged.",
            registry=registry,
        )
        self._age = Gauge(
            "boltlink_stream_age_seconds", "Age of the oldest entry of the stream; 0 if it is empty.", registry=registry
        )
        self._dead_letters = Gauge(
            "boltlink_dead_letters",
            "Events in the dead-letter stream; `make dead-letters` shows them.",
            registry=registry,
        )
        self._losses = Counter(
            "boltlink_streams_lost_total", "How many times Redis has lost the click stream.", registry=registry
        )

    def record(self, result: BatchResult) -> None:
        """Add the numbers of one batch."""
        self._clicks.add({"result": "counted"}, result.counted)
        self._clicks.add({"result": "skipped"}, result.skipped)
        self._clicks.add({"result": "dead_letter"}, result.dead_letters)

    async def collect(self, app: web.Application) -> None:
        """Read the backlog of the stream; called for each scrape of /metrics."""
        self._losses.set({}, app[STREAM].losses)
        backlog = await app[STREAM].backlog()
        self._entries.set({}, backlog.entries)
        self._pending.set({}, backlog.pending)
        self._age.set({}, backlog.oldest_seconds)
        self._dead_letters.set({}, backlog.dead_letters)
