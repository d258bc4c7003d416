"""BoltLink as a client sees it: a base URL, an API key, and answers."""

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
class Answer:
    """One answer, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def faults(self) -> dict[str, list[str]]:
        """The fields that a problem complains about."""
        found: dict[str, list[str]] = {}
        for fault in self.document["errors"]:
            found.setdefault(fault["field"], []).append(fault["message"])
        return found


class Client:
    """Asks through nginx. Redirects are shown, not followed; paths go out exactly as given."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, key: str) -> None:
        self._session = session
        self.base_url = base_url
        self.key = key

    async def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **rest: Any) -> Answer:
        """One request, with no key."""
        url = URL(self.base_url + path, encoded=True)
        if isinstance(body := rest.get("data"), bytes):
            rest["data"] = io.BytesIO(body)  # aiohttp warns of large bodies in one piece
        async with self._session.request(method, url, headers=headers, allow_redirects=False, **rest) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **rest: Any) -> Answer:
        """One request of the API, with the key."""
        return await self.ask(method, path, headers={"Authorization": f"Bearer {self.key}", **(headers or {})}, **rest)

    async def make_link(self, **fields: Any) -> Json:
        """A new link, at a code of the test's own unless it says otherwise."""
        document = {"url": "https://example.com/", "code": new_code(), **fields}
        answer = await self.call("POST", "/links", json=document)
        assert answer.status == 201, answer.body
        made: Json = answer.document
        return made

    async def follow(self, code: str, **headers: str) -> Answer:
        """Follow a short URL, once."""
        return await self.ask(
            "GET", f"/{code}", headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    async def stats(self, path: str, **query: str) -> Any:
        """A report."""
        answer = await self.call("GET", f"/stats{path}?{URL.build(query=query).raw_query_string}")
        assert answer.status == 200, answer.body
        return answer.document

    async def clicks_of(self, code: str) -> int:
        """What is counted for a link by now."""
        summary: Json = await self.stats(f"/links/{code}")
        count: int = summary["clicks"]
        return count

    async def wait_for_clicks(self, code: str, count: int, seconds: float = 15.0) -> None:
        """Wait until a link has at least so many clicks, then see that it has not more."""

        async def counted() -> bool:
            return await self.clicks_of(code) >= count

        await until(counted, seconds)
        assert await self.clicks_of(code) == count


@asynccontextmanager
async def connected(base_url: str, key: str, trust: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    """A client for one test; by TLS it trusts what everybody does, unless it is told."""
    connector = aiohttp.TCPConnector(limit=0, ssl=trust or True)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(total=30),
        max_line_size=2**18,  # a Location may be long
        max_field_size=2**18,
    ) as session:
        yield Client(session, base_url, key)
