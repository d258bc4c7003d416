"""The main job on real input: `python -m deploy.demo`, or `make demo`.

Shortens the home pages and project links that the metadata of the installed Python packages name, follows each through
nginx, waits for the counts, prints a table. Exits non-zero when one redirect or one count is wrong.
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

AT_ONCE: Final = 16
COUNT_TIMEOUT: Final = 20.0
VISITS: Final = (1, 2, 3)
"""How often the links are followed, in turn: counts that are all the same would hide a mix-up."""


@dataclass(slots=True)
class Row:
    """One URL and what became of it."""

    package: str
    url: str
    visits: int
    code: str = ""
    short_url: str = ""
    clicks: int = -1
    faults: list[str] = field(default_factory=list)
    upstreams: list[str] = field(default_factory=list)


def package_urls() -> list[Row]:
    """Every web address that the installed packages name, each once."""
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
    """Speaks to BoltLink as any client would: through nginx, with an API key."""

    def __init__(self, session: aiohttp.ClientSession, base_url: str, key: str) -> None:
        self._session = session
        self._base_url = base_url
        self._headers = {"Authorization": f"Bearer {key}"}

    async def shorten(self, row: Row) -> None:
        """Make the row's link."""
        document = {"url": row.url, "title": row.package, "tags": ["demo"]}
        async with self._session.post(f"{self._base_url}/links", json=document, headers=self._headers) as answer:
            link = await answer.json(content_type=None)
            if answer.status != 201:
                row.faults.append(f"POST /links answered {answer.status}: {link}")
                return
        row.code, row.short_url = link["code"], link["short_url"]

    async def follow(self, row: Row) -> None:
        """Follow the row's link as often as it says; each redirect must lead to the URL as it was given."""
        for _ in range(row.visits if row.code else 0):
            url = f"{self._base_url}/{row.code}"
            async with self._session.get(url, headers={"X-Debug": "true"}, allow_redirects=False) as answer:
                row.upstreams.append(answer.headers.get("X-Upstream", "?"))
                if answer.status != 302 or answer.headers.get("Location") != row.url:
                    row.faults.append(f"GET /{row.code}: {answer.status} to {answer.headers.get('Location')}")

    async def read_clicks(self, row: Row) -> None:
        """Read the row's count."""
        url = f"{self._base_url}/stats/links/{row.code}"
        async with self._session.get(url, headers=self._headers) as answer:
            answer.raise_for_status()
            row.clicks = (await answer.json())["clicks"]


async def run(base_url: str, key: str) -> int:
    """The whole demo; the process's exit code."""
    rows = package_urls()
    print(f"{len(rows)} URLs from the metadata of the installed Python packages, through {base_url}\n", flush=True)
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
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
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(row: Row) -> None:
        async with limit:
            await act(row)

    await asyncio.gather(*(one(row) for row in rows))


async def _wait_for_counts(client: Client, rows: list[Row]) -> None:
    started = time.monotonic()
    open_rows = rows
    while open_rows and time.monotonic() - started < COUNT_TIMEOUT:
        await _each(open_rows, client.read_clicks)
        open_rows = [row for row in open_rows if row.clicks < row.visits]
        if open_rows:
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
        print(f"BoltLink did not answer: {type(fault).__name__}: {fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The links made so far stay.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
