"""Visitors that follow links over and over and count what they really received.

They are a process of their own, `python -m tests.support.visitors`, started by `tests/support/load_generator.py`. The
process reads its task, a line of JSON, from its standard input, reports every 0.2 s as a line of JSON what was
received so far, and ends when its input is closed.

Only a response that was read to its end counts as one. Like every HTTP client (RFC 9112, 9.3.1), a visitor repeats a
request on a new connection when a kept connection is closed before the first byte of the response.
"""

import asyncio
import itertools
import json
import random
import sys
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import uvloop

_REPORT_INTERVAL: Final = 0.2
_RESPONSE_TIMEOUT: Final = 30.0

USER_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@dataclass
class Received:
    """What all visitors together received so far."""

    redirects: Counter[str] = field(default_factory=Counter)
    """Redirects to the right target, by code."""
    failures: Counter[str] = field(default_factory=Counter)
    """All other responses, by status, and requests without a response, by the exception."""
    unanswered: Counter[str] = field(default_factory=Counter)
    """Requests that were sent and got no response, by code: their clicks may be counted or not."""
    instances: Counter[str] = field(default_factory=Counter)
    """Responses, by the instance that nginx had asked."""
    repeated: int = 0
    """Requests that were sent again because nginx had closed a kept connection."""
    slowest: float = 0.0
    """The longest response time in seconds; known at the end only."""
    p99: float = 0.0
    """The 99th percentile of the response times in seconds; known at the end only."""
    reported_at: float = 0.0
    """When the visitors reported this, on the monotonic clock, which all processes of a machine share."""


@dataclass(frozen=True)
class Response:
    """What a visitor looks at in a response."""

    status: str
    location: str
    instance: str


class Visitor:
    """One visitor: one request at a time, on one connection, which it keeps if `keep_alive`."""

    def __init__(
        self, host: str, port: int, received: Received, times: "array[float]", *, keep_alive: bool = True
    ) -> None:
        self._address = (host, port)
        self._received = received
        self._times = times
        connection = "" if keep_alive else "Connection: close\r\n"
        self._headers = f"Host: {host}\r\nUser-Agent: {USER_AGENT}\r\n{connection}"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def follow(self, code: str, target: str) -> None:
        """Follow a link once and record the result."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_RESPONSE_TIMEOUT):
                response = await self._request(code)
        except (OSError, EOFError, TimeoutError) as fault:
            self.close()
            self._received.failures[type(fault).__name__] += 1
            self._received.unanswered[code] += 1
            return
        self._times.append(time.perf_counter() - started)
        self._received.instances[response.instance] += 1
        if response.status == "302" and response.location == target:
            self._received.redirects[code] += 1
        else:
            self._received.failures[response.status if response.status != "302" else "302 to a wrong target"] += 1

    def close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None

    async def _request(self, code: str) -> Response:
        if self._streams and self._streams[0].at_eof():  # nginx has closed the idle connection
            self.close()
        used_before = self._streams is not None
        try:
            return await self._request_once(code)
        except asyncio.IncompleteReadError as fault:
            if not used_before or fault.partial:
                raise
        except (ConnectionResetError, BrokenPipeError):
            if not used_before:
                raise
        self.close()
        self._received.repeated += 1
        return await self._request_once(code)

    async def _request_once(self, code: str) -> Response:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(f"GET /{code} HTTP/1.1\r\n{self._headers}\r\n".encode())
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.split(": ", 1) for line in lines if line)
        headers = {name.lower(): value for name, value in pairs}
        await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Response(first.split(" ")[1], headers.get("location", ""), headers.get("x-upstream", ""))


async def _run(task: dict[str, Any]) -> None:
    """Let the visitors of a task follow links until standard input is closed."""
    received, times = Received(), array("d")
    address = urlsplit(task["base_url"])
    stopping = asyncio.Event()
    numbers = itertools.count()
    codes = list(task["targets"])
    interval = task["visitors"] / task["rate"]

    async def visit() -> None:
        visitor = Visitor(
            str(address.hostname), int(address.port or 80), received, times, keep_alive=task["keep_alive"]
        )
        next_visit = time.monotonic() + random.random() * interval  # noqa: S311  # no secret
        while not stopping.is_set():
            await asyncio.sleep(max(0.0, next_visit - time.monotonic()))
            code = codes[next(numbers) % len(codes)]
            await visitor.follow(code, task["targets"][code])
            next_visit = max(next_visit + interval, time.monotonic())
        visitor.close()

    async def report_regularly() -> None:
        while True:
            await asyncio.sleep(_REPORT_INTERVAL)
            _report(received)

    running = [asyncio.create_task(visit()) for _ in range(task["visitors"])]
    reporting = asyncio.create_task(report_regularly())
    await asyncio.to_thread(sys.stdin.read)
    stopping.set()
    await asyncio.gather(*running)
    reporting.cancel()
    ordered = sorted(times)
    if ordered:
        received.slowest, received.p99 = ordered[-1], ordered[len(ordered) * 99 // 100]
    _report(received)


def _report(received: Received) -> None:
    received.reported_at = time.monotonic()
    print(json.dumps(vars(received)), flush=True)  # noqa: T201  # the process that started this one reads it


if __name__ == "__main__":
    uvloop.run(_run(json.loads(sys.stdin.readline())))
