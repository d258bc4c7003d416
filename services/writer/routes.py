"""Every operation and route of the writer."""

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
        summary="The OpenAPI document",
        successes={200: Success("An OpenAPI 3.1 document")},
    ),
    Operation(
        method="GET",
        path="/docs",
        handler=handlers.docs,
        group="About",
        summary="The OpenAPI document as a page",
        successes={200: Success("A page", content_type="text/html")},
    ),
)

ROUTES: Final = [
    *(operation.route for operation in OPERATIONS),
    web.get("/docs/{name}", handlers.docs_asset, name="docs_asset"),  # files of the page, not part of the contract
]
