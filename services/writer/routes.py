"""Every route of the writer."""

from typing import Final

from aiohttp import web

from services.writer.api_docs import handlers
from services.writer.api_keys import routes as api_keys
from services.writer.links import routes as links
from shared.http.contract import Operation, Success

OPERATIONS: Final = (
    *links.OPERATIONS,
    *api_keys.OPERATIONS,
    Operation(
        method="GET",
        path="/openapi.json",
        handler=handlers.openapi,
        group="About",
        summary="This document",
        successes={200: Success("OpenAPI 3.1")},
    ),
    Operation(
        method="GET",
        path="/docs",
        handler=handlers.docs,
        group="About",
        summary="This document as a page to read",
        successes={200: Success("A page", content_type="text/html")},
    ),
)

ROUTES: Final = [
    *(operation.route for operation in OPERATIONS),
    web.get("/docs/{name}", handlers.docs_asset, name="docs_asset"),  # a part of the page, not of the contract
]
