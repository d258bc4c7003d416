"""The document of the API, and the page that shows it."""

from importlib import resources
from typing import Final

from aiohttp import web

from services.writer.resources import SETTINGS
from shared import openapi
from shared.web import json_response

_ASSETS: Final = resources.files("mkdocs_swagger_ui_tag") / "swagger-ui"


async def get_openapi(request: web.Request) -> web.Response:
    """The document of the API."""
    return json_response(openapi.document(request.app[SETTINGS].public_url))


async def docs(_request: web.Request) -> web.Response:
    """The document of the API as a page: Swagger UI, from a package, without any outside host."""
    return web.Response(
        text=_DOCS_PAGE,
        content_type="text/html",
        headers={
            "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
        },
    )


async def docs_asset(request: web.Request) -> web.Response:
    """One of the few files that the page needs."""
    name = request.match_info["name"]
    if name == "start.js":
        return web.Response(text=_DOCS_START, content_type="text/javascript")
    path, content_type = _DOCS_ASSETS.get(name, (None, ""))
    if path is None:
        raise web.HTTPNotFound
    body = _ASSETS.joinpath(path).read_bytes()
    return web.Response(body=body, content_type=content_type, headers={"Cache-Control": "public, max-age=86400"})


_DOCS_ASSETS: Final = {
    "swagger-ui-bundle.js": ("javascripts/swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": ("stylesheets/swagger-ui.css", "text/css"),
}
_DOCS_START: Final = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#page", deepLinking: true});\n'
_DOCS_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>BoltLink API</title>
<link rel="icon" href="/favicon.ico">
<link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body>
<div id="page"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
