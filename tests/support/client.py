"""An HTTP client of BoltLink for tests: it knows a base URL and an API key."""

import io
import itertools
import json
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from tests.support.waiting import until

_numbers = itertools.count()
_run = uuid.uuid4().hex[:6]

Json = dict[str, Any]


def new_code() -> str:
    """A code that no other test uses."""
    return f"t{_run}-{next(_numbers)}"


@dataclass(frozen=True)
class Response:
    """One response, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def faults(self) -> dict[str, list[str]]:
        """The messages of a problem by field, from its `errors`."""
        found: dict[str, list[str]] = {}
        for fault in self.document["errors"]:
            found.setdefault(fault["field"], []).append(fault["message"])
        return found


class Client:
    """Sends requests to nginx. It does not follow redirects, and it sends paths exactly as given."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, key: str) -> None:
        self._session = session
        self.base_url = base_url
        self.key = key

    async def request(self, method: str, path: str, *, headers: dict[str, str] | None = None, **rest: Any) -> Response:
        """Send one request without the API key."""
        url = URL(self.base_url + path, encoded=True)
        if isinstance(body := rest.get("data"), bytes):
            rest["data"] = io.BytesIO(body)  # aiohttp warns of large bodies that are bytes
        async with self._session.request(method, url, headers=headers, allow_redirects=False, **rest) as response:
            return Response(response.status, response.headers, await response.read())

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **rest: Any) -> Response:
        """Send one request with the API key."""
        return await self.request(
            method, path, headers={"Authorization": f"Bearer {self.key}", **(headers or {})}, **rest
        )

    async def make_link(self, **fields: Any) -> Json:
        """Create a link, with a new code unless the test gives one."""
        document = {"url": "https://example.com/", "code": new_code(), **fields}
        response = await self.call("POST", "/links", json=document)
        assert response.status == 201, response.body
        link: Json = response.document
        return link

    async def follow(self, code: str, **headers: str) -> Response:
        """Follow a short URL once, with headers whose names have `_` for `-`."""
        return await self.request(
            "GET", f"/{code}", headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    async def stats(self, path: str, **query: str) -> Any:
        """Get a report of /stats."""
        response = await self.call("GET", f"/stats{path}?{URL.build(query=query).raw_query_string}")
        assert response.status == 200, response.body
        return response.document

    async def clicks_of(self, code: str) -> int:
        """How many clicks are counted for a link so far."""
        summary: Json = await self.stats(f"/links/{code}")
        count: int = summary["clicks"]
        return count

    async def wait_for_clicks(self, code: str, count: int, seconds: float = 15.0) -> None:
        """Wait until a link has at least `count` clicks, then check that it has no more."""

        async def counted() -> bool:
            return await self.clicks_of(code) >= count

        await until(counted, seconds)
        assert await self.clicks_of(code) == count


@asynccontextmanager
async def connected(base_url: str, key: str, trust: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    """A client for one test. With TLS it trusts the system's certificates, unless `trust` names others."""
    connector = aiohttp.TCPConnector(limit=0, ssl=trust or True)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=30),
        max_line_size=2**18,  # a target, so a Location, may be long
        max_field_size=2**18,
    ) as session:
        yield Client(session, base_url, key)
