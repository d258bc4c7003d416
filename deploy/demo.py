"""Exercises the whole system with real URLs: `python -m deploy.demo`, or `make demo`.

Shortens the home pages and project links in the metadata of the installed Python packages, follows each link through
nginx, waits until the clicks are counted, and prints a table. Exits non-zero when a redirect or a count is wrong.
"""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Final

import aiohttp

MAX_CONCURRENT: Final = 16
COUNT_TIMEOUT: Final = 20.0
VISITS: Final = (1, 2, 3)
"""How often each link is followed, in turn. Equal counts would hide that links are mixed up."""


@dataclass(slots=True)
class Row:
    """One URL, its link, and the results."""

    package: str
    url: str
    visits: int
    code: str = ""
    short_url: str = ""
    clicks: int = -1
    faults: list[str] = field(default_factory=list)
    upstreams: list[str] = field(default_factory=list)


def package_urls() -> list[Row]:
    """Every web address in the metadata of the installed packages, without duplicates."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        about = distribution.metadata
        named = about.get_all("Home-page") or []
        named += [text.partition(",")[2].strip() for text in about.get_all("Project-URL") or []]
        for url in named:
            if url.startswith(("http://", "https://")):
                found.setdefault(url, about["Name"])
    urls = sorted(found.items(), key=lambda item: (item[1].lower(), item[0]))
    return [Row(package, url, VISITS[place % len(VISITS)]) for place, (url, package) in enumerate(urls)]


class Client:
    """A client of BoltLink, through nginx, with an API key."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, key: str) -> None:
        self._session = session
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {key}"}

    async def shorten(self, row: Row) -> None:
        """Create the link of a row."""
        document = {"url": row.url, "title": row.package, "tags": ["demo"]}
        async with self._session.post(f"{self._base_url}/links", json=document, headers=self._headers) as response:
            link = await response.json(content_type=None)
            if response.status != 201:
                row.faults.append(f"POST /links: {response.status}: {link}")
                return
        row.code, row.short_url = link["code"], link["short_url"]

    async def follow(self, row: Row) -> None:
        """Follow the link of a row `visits` times; each redirect must lead exactly to the URL of the row."""
        for _ in range(row.visits if row.code else 0):
            url = f"{self._base_url}/{row.code}"
            async with self._session.get(url, headers={"X-Debug": "true"}, allow_redirects=False) as response:
                row.upstreams.append(response.headers.get("X-Upstream", "?"))
                if response.status != 302 or response.headers.get("Location") != row.url:
                    row.faults.append(f"GET /{row.code}: {response.status} to {response.headers.get('Location')}")

    async def read_clicks(self, row: Row) -> None:
        """Read the number of clicks of a row."""
        url = f"{self._base_url}/stats/links/{row.code}"
        async with self._session.get(url, headers=self._headers) as response:
            response.raise_for_status()
            row.clicks = (await response.json())["clicks"]


async def run(base_url: str, key: str) -> int:
    """Run the demo and return the exit code of the process."""
    rows = package_urls()
    print(f"{len(rows)} URLs from the metadata of the installed Python packages, through {base_url}\n", flush=True)
    connector = aiohttp.TCPConnector(limit=MAX_CONCURRENT)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as session:
        client = Client(session, base_url, key)
        await _timed("shortened", rows, client.shorten)
        await _timed("followed", rows, client.follow)
        await _wait_for_counts(client, [row for row in rows if row.code])
    for row in rows:
        if row.code and row.clicks != row.visits:
            row.faults.append(f"followed {row.visits} times, counted {row.clicks}")
    return _report(rows)


async def _timed(done: str, rows: list[Row], act: Callable[[Row], Awaitable[None]]) -> None:
    started = time.monotonic()
    await _each(rows, act)
    print(f"  {done} in {time.monotonic() - started:.1f} s", flush=True)


async def _each(rows: Iterable[Row], act: Callable[[Row], Awaitable[None]]) -> None:
    limit = asyncio.Semaphore(MAX_CONCURRENT)

    async def one(row: Row) -> None:
        async with limit:
            await act(row)

    await asyncio.gather(*(one(row) for row in rows))


async def _wait_for_counts(client: Client, rows: list[Row]) -> None:
    started = time.monotonic()
    uncounted = rows
    while uncounted and time.monotonic() - started < COUNT_TIMEOUT:
        await _each(uncounted, client.read_clicks)
        uncounted = [row for row in uncounted if row.clicks < row.visits]
        if uncounted:
            await asyncio.sleep(0.2)
    print(f"  counted in {time.monotonic() - started:.1f} s\n", flush=True)


def _report(rows: list[Row]) -> int:
    print(f"{'package':<28} {'followed':>8} {'counted':>8}  {'short URL':<34} target")
    for row in rows:
        mark = "  WRONG: " + "; ".join(row.faults) if row.faults else ""
        print(f"{row.package[:28]:<28} {row.visits:>8} {row.clicks:>8}  {row.short_url:<34} {row.url}{mark}")
    shares = Counter(name for row in rows for name in row.upstreams)
    wrong = sum(1 for row in rows if row.faults)
    visits, clicks = sum(row.visits for row in rows), sum(max(row.clicks, 0) for row in rows)
    print(
        f"\n{len(rows)} links, {visits} redirects ({', '.join(f'{n} by {name}' for name, n in sorted(shares.items()))})"
    )
    print(f"{clicks} clicks counted, {wrong} links wrong")
    return 1 if wrong or not rows else 0


def main() -> int:
    try:
        base_url, key = os.environ["BOLTLINK_URL"], os.environ["BOLTLINK_KEY"]
    except KeyError as missing:
        print(f"{missing} is not set; run it as: make demo", file=sys.stderr)
        return 2
    try:
        return asyncio.run(run(base_url.rstrip("/"), key))
    except (aiohttp.ClientError, TimeoutError) as fault:
        print(f"BoltLink did not respond: {type(fault).__name__}: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The links created so far stay.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
