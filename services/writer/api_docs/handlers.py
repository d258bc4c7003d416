"""The OpenAPI document, and the page that shows it. Both are read once, when the writer starts."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final, Self

from aiohttp import web

from shared.http.caching import CACHED_FOR_A_DAY
from shared.process.loops import CleanupContext

_FOLDER: Final = resources.files("services.writer.api_docs")
_SWAGGER_UI: Final = resources.files("mkdocs_swagger_ui_tag") / "swagger-ui"

_REVALIDATE: Final = "no-cache"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file whose content does not change until the next start, with the headers of its response."""

    body: bytes
    headers: Mapping[str, str]

    @classmethod
    def of(cls, body: bytes, content_type: str, cache_control: str, **headers: str) -> Self:
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return cls(body, {"Content-Type": content_type, "Cache-Control": cache_control, "ETag": etag, **headers})

    def respond(self, request: web.Request) -> web.Response:
        """200 with the content, or 304 if the client has it already (RFC 9110, 13.1.2)."""
        known = {tag.value for tag in request.if_none_match or ()}
        if known & {self.headers["ETag"].strip('"'), "*"}:
            kept = {name: value for name, value in self.headers.items() if name != "Content-Type"}
            return web.Response(status=304, headers=kept)
        return web.Response(body=self.body, headers=self.headers)


API_FILES = web.AppKey("API_FILES", dict[str, StaticFile])
"""The document (`openapi.json`), the page (`docs`) and the files of the page, by name."""


def open_api_docs(public_url: str) -> CleanupContext:
    """A cleanup context that stores the files under API_FILES; `servers` in the document is set to `public_url`."""

    async def context(app: web.Application) -> AsyncIterator[None]:
        app[API_FILES] = _read_files(public_url)
        yield

    return context


def _read_files(public_url: str) -> dict[str, StaticFile]:
    document = json.loads(_FOLDER.joinpath("openapi.json").read_bytes()) | {"servers": [{"url": public_url}]}
    policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
    page = StaticFile.of(_FOLDER.joinpath("page.html").read_bytes(), "text/html; charset=utf-8", _REVALIDATE)
    script, style = "text/javascript; charset=utf-8", "text/css; charset=utf-8"
    bundle, sheet = _SWAGGER_UI / "javascripts" / "swagger-ui-bundle.js", _SWAGGER_UI / "stylesheets" / "swagger-ui.css"
    return {
        "openapi.json": StaticFile.of(
            json.dumps(document, ensure_ascii=False).encode(), "application/json; charset=utf-8", _REVALIDATE
        ),
        "docs": StaticFile(page.body, {**page.headers, "Content-Security-Policy": policy}),
        "start.js": StaticFile.of(_FOLDER.joinpath("start.js").read_bytes(), script, CACHED_FOR_A_DAY),
        bundle.name: StaticFile.of(bundle.read_bytes(), script, CACHED_FOR_A_DAY),
        sheet.name: StaticFile.of(sheet.read_bytes(), style, CACHED_FOR_A_DAY),
    }


async def openapi(request: web.Request) -> web.Response:
    """The OpenAPI document."""
    return request.app[API_FILES]["openapi.json"].respond(request)


async def docs(request: web.Request) -> web.Response:
    """The document as a page: Swagger UI from an installed package, so that the page loads nothing from other hosts."""
    return request.app[API_FILES]["docs"].respond(request)


async def docs_asset(request: web.Request) -> web.Response:
    """A script or a style sheet of the page."""
    name = request.match_info["name"]
    if name not in ("start.js", "swagger-ui-bundle.js", "swagger-ui.css"):
        raise web.HTTPNotFound
    return request.app[API_FILES][name].respond(request)
