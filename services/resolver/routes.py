"""Every path of a resolver."""

from aiohttp import web

from services.resolver import handlers

ROUTES = [
    web.get("/", handlers.home, name="home"),
    web.get("/robots.txt", handlers.robots, name="robots"),
    web.get("/favicon.ico", handlers.favicon, name="favicon"),
    web.get("/{code}", handlers.follow, name="follow"),
]
