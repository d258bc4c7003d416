"""Visitors who follow links over and over, each on a connection that it keeps, and count what they really received.

A process of its own (`python -m tests.support.visitors`), so that nothing a test does slows them down. It reads its
task, a line of JSON, from its input; says every fifth of a second what was received; and ends when its input ends.
Nothing but the answer that was received whole is an answer. As HTTP's clients do (RFC 9112, 9.3.1), a visitor asks once
more, on a new connection, when one that it had used before is closed before the first byte of an answer.
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

_REPORT_EVERY: Final = 0.2
_PATIENCE: Final = 30.0
"""Seconds after which a visitor gives up on an answer."""

USER_AGENT: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@dataclass
class Received:
    """What visitors received. `answered`: right answers, by code; `refused`: all others, and requests without one."""

    answered: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    unanswered: Counter[str] = field(default_factory=Counter)
    """Requests by code that were sent and got no answer: nobody can tell whether they count."""
    repeated: int = 0
    slowest: float = 0.0
    p99: float = 0.0


class Visitor:
    """One visitor: one request at a time, on one connection."""

    def __init__(self, host: str, port: int, received: Received, times: "array[float]") -> None:
        self._address = (host, port)
        self._received = received
        self._times = times
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def follow(self, code: str, target: str) -> None:
        """Follow a link once and note what came of it."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE):
                status, location = await self._ask(code)
        except (OSError, EOFError, TimeoutError) as fault:
            self.close()
            self._received.refused[type(fault).__name__] += 1
            self._received.unanswered[code] += 1
            return
        self._times.append(time.perf_counter() - started)
        if status == "302" and location == target:
            self._received.answered[code] += 1
        else:
            self._received.refused[status if status != "302" else "302 to somewhere else"] += 1

    def close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None

    async def _ask(self, code: str) -> tuple[str, str]:
        if self._streams and self._streams[0].at_eof():  # closed while it lay idle, and that was told
            self.close()
        used_before = self._streams is not None
        try:
            return await self._ask_once(code)
        except asyncio.IncompleteReadError as fault:
            if not used_before or fault.partial:
                raise
        except (ConnectionResetError, BrokenPipeError):
            if not used_before:
                raise
        self.close()
        self._received.repeated += 1
        return await self._ask_once(code)

    async def _ask_once(self, code: str) -> tuple[str, str]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
        reader, writer = self._streams
        writer.write(f"GET /{code} HTTP/1.1\r\nHost: {self._address[0]}\r\nUser-Agent: {USER_AGENT}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection") == "close":
            self.close()
        location = next((line[10:] for line in head if line[:10].lower() == "location: "), "")
        return head[0].split(" ")[1], location


async def _visit(task: dict[str, Any]) -> None:
    received, times = Received(), array("d")
    nginx = urlsplit(task["nginx"])
    stopping = asyncio.Event()
    numbers = itertools.count()
    codes = list(task["targets"])
    gap = task["visitors"] / task["rate"]

    async def visits() -> None:
        visitor = Visitor(str(nginx.hostname), int(nginx.port or 80), received, times)
        following = time.monotonic() + random.random() * gap  # noqa: S311  # no secret
        while not stopping.is_set():
            await asyncio.sleep(max(0.0, following - time.monotonic()))
            code = codes[next(numbers) % len(codes)]
            await visitor.follow(code, task["targets"][code])
            following = max(following + gap, time.monotonic())
        visitor.close()

    async def report() -> None:
        while True:
            await asyncio.sleep(_REPORT_EVERY)
            _say(received)

    running = [asyncio.create_task(visits()) for _ in range(task["visitors"])]
    reporting = asyncio.create_task(report())
    await asyncio.to_thread(sys.stdin.read)
    stopping.set()
    await asyncio.gather(*running)
    reporting.cancel()
    ordered = sorted(times)
    if ordered:
        received.slowest, received.p99 = ordered[-1], ordered[len(ordered) * 99 // 100]
    _say(received)


def _say(received: Received) -> None:
    print(json.dumps(vars(received)), flush=True)  # noqa: T201  # to whoever started the process


if __name__ == "__main__":
    uvloop.run(_visit(json.loads(sys.stdin.readline())))
