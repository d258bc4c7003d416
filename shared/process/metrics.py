"""Counters that cost a request next to nothing: plain numbers, handed to aioprometheus when /metrics is read."""

import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aioprometheus.collectors import Counter, Gauge, Histogram, Registry

BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper edges of the latency histogram, in seconds."""


class LatencyHistogram(Histogram):
    """A Prometheus histogram that is filled by adding to a list."""

    def __init__(self, name: str, doc: str, registry: Registry) -> None:
        super().__init__(name, doc, registry=registry)
        self._series: dict[str, list[float]] = {}

    def note(self, route: str, seconds: float) -> None:
        series = self._series.get(route)
        if series is None:
            series = self._series[route] = [0.0] * (len(BUCKETS) + 2)
        series[bisect_left(BUCKETS, seconds)] += 1
        series[-1] += seconds

    def get_all(self) -> list[tuple[dict[str, str], dict[float | str, float]]]:  # type: ignore[override]  # its base is typed for single numbers
        return [({"route": route}, _cumulated(series)) for route, series in self._series.items()]


def _cumulated(series: list[float]) -> dict[float | str, float]:
    values: dict[float | str, float] = {}
    count = 0.0
    for edge, number in zip((*BUCKETS, float("inf")), series, strict=False):
        count += number
        values[edge] = count
    values["sum"] = series[-1]
    values["count"] = count
    return values


class RequestMetrics:
    """Requests by route and status, and their latency."""

    def __init__(self, registry: Registry) -> None:
        self._total = Counter("boltlink_requests_total", "Requests answered, by route and status.", registry=registry)
        self._latency = LatencyHistogram(
            "boltlink_request_seconds", "Time from a request's arrival at the service to its answer.", registry
        )
        self._counts: dict[tuple[str, int], int] = {}

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one request. Called for every request, so it touches plain numbers only."""
        key = (route, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._latency.note(route, seconds)

    def export(self) -> None:
        """Give the registry the numbers of this moment."""
        for (route, status), count in self._counts.items():
            self._total.set({"route": route, "status": str(status)}, count)


Collector = Callable[[web.Application], Awaitable[None]]

REGISTRY = web.AppKey("REGISTRY", Registry)
REQUEST_METRICS = web.AppKey("REQUEST_METRICS", RequestMetrics)
COLLECTORS = web.AppKey("COLLECTORS", list[Collector])
"""What has to be read (a lag, a pool's use) each time /metrics is asked for."""


def set_up_metrics(app: web.Application, service: str, instance_id: str, version: str) -> Registry:
    """Give an application a registry of its own, with what every service tells."""
    registry = app[REGISTRY] = Registry()
    app[REQUEST_METRICS] = RequestMetrics(registry)
    app[COLLECTORS] = []
    info = Gauge("boltlink_info", "Always 1; its labels say what runs here.", registry=registry)
    info.set({"service": service, "instance_id": instance_id, "version": version}, 1)
    started = Gauge("boltlink_start_seconds", "When this process started, in Unix time.", registry=registry)
    started.set({}, time.time())
    return registry
