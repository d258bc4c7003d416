"""Metrics that cost a request next to nothing: plain numbers, exported to aioprometheus when /metrics is read."""

import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aioprometheus.collectors import Counter, Gauge, Histogram, Registry

BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the buckets of the latency histogram, in seconds."""


class LatencyHistogram(Histogram):
    """A Prometheus histogram per route, whose `record` only adds to a list of numbers."""

    def __init__(self, name: str, doc: str, registry: Registry) -> None:
        super().__init__(name, doc, registry=registry)
        self._series: dict[str, list[float]] = {}

    def record(self, route: str, seconds: float) -> None:
        """Count one request and its time."""
        series = self._series.get(route)
        if series is None:
            series = self._series[route] = [0.0] * (len(BUCKETS) + 2)
        series[bisect_left(BUCKETS, seconds)] += 1
        series[-1] += seconds

    def get_all(self) -> list[tuple[dict[str, str], dict[float | str, float]]]:  # type: ignore[override]  # the base is typed for single numbers
        return [({"route": route}, _cumulative(series)) for route, series in self._series.items()]


def _cumulative(series: list[float]) -> dict[float | str, float]:
    values: dict[float | str, float] = {}
    count = 0.0
    for edge, number in zip((*BUCKETS, float("inf")), series, strict=False):
        count += number
        values[edge] = count
    values["sum"] = series[-1]
    values["count"] = count
    return values


class RequestMetrics:
    """The requests of an application by route and status, and their latency."""

    def __init__(self, registry: Registry) -> None:
        self._total = Counter("boltlink_requests_total", "Responses, by route and status.", registry=registry)
        self._latency = LatencyHistogram(
            "boltlink_request_seconds", "Time from a request's arrival at the service to its response.", registry
        )
        self._counts: dict[tuple[str, int], int] = {}

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count one request. It only touches plain numbers, because it runs for every request."""
        key = (route, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        self._latency.record(route, seconds)

    def export(self) -> None:
        """Copy the current numbers to the registry."""
        for (route, status), count in self._counts.items():
            self._total.set({"route": route, "status": str(status)}, count)


Collector = Callable[[web.Application], Awaitable[None]]

REGISTRY = web.AppKey("REGISTRY", Registry)
REQUEST_METRICS = web.AppKey("REQUEST_METRICS", RequestMetrics)
COLLECTORS = web.AppKey("COLLECTORS", list[Collector])
"""Functions that read current values (a lag, the use of a pool) each time /metrics is requested."""


def create_registry(app: web.Application, service: str, instance_id: str, version: str) -> Registry:
    """Create the registry of an application, with the metrics that every service has."""
    registry = app[REGISTRY] = Registry()
    app[REQUEST_METRICS] = RequestMetrics(registry)
    app[COLLECTORS] = []
    info = Gauge("boltlink_info", "Always 1; the labels name service, instance and version.", registry=registry)
    info.set({"service": service, "instance_id": instance_id, "version": version}, 1)
    started = Gauge("boltlink_start_seconds", "When this process started, in Unix time.", registry=registry)
    started.set({}, time.time())
    return registry
