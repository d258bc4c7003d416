"""Every path of the stats API. Scopes stand in `shared/operations.py`; a test compares the two."""

from aiohttp import web

from services.stats import handlers

ROUTES = [
    web.get("/stats/overview", handlers.overview, name="overview"),
    web.get("/stats/top", handlers.top, name="top"),
    web.get("/stats/timeseries", handlers.timeseries, name="timeseries"),
    web.get("/stats/breakdown/{dimension}", handlers.breakdown, name="breakdown"),
    web.get("/stats/links/{code}", handlers.link_summary, name="link_summary"),
    web.get("/stats/links/{code}/timeseries", handlers.link_timeseries, name="link_timeseries"),
    web.get("/stats/links/{code}/breakdown/{dimension}", handlers.link_breakdown, name="link_breakdown"),
]
